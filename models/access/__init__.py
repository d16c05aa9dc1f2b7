"""Access of one user to one account: grants, their ends, seats and the second factor that an account demands."""
