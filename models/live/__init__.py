"""Live streams: which events and access changes each open subscription gets."""
