"""Events: what changed, who changed it, and the hash chain that shows that nobody rewrote it."""
