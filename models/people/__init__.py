"""Users: registration, sign-in, sessions and the second factor."""
