"""The migrations of the workspace, in hand-written SQL, with a chain of their own."""
