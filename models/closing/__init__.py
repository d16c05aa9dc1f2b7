"""Closing of accounts by their owners: the request, the thirty days in which it can be undone, and the end."""
