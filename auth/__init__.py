"""How a password, a token and a permission work: pure functions and the one permission table.

Knows no row and no request, so every other room may lean on it.
"""
