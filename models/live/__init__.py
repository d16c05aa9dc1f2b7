"""Live streams: the events and access changes that each open subscription receives."""
