"""Passwords, tokens, one-time codes and permissions: pure functions and the permission table.

Imports no model and no request type, so every other package may import it.
"""
