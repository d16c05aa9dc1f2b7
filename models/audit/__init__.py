"""Events, and the hash chains that prove that no event was changed."""
