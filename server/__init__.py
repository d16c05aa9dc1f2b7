"""The HTTP and WebSocket server around the GraphQL schema."""
