"""How the graph is served: HTTP in, HTTP out."""
