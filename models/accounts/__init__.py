"""Accounts: what they are, their settings, their registered numbers and the links between them."""
