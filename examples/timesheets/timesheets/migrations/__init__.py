"""The migrations of time sheets, in hand-written SQL, with a chain of their own."""
