"""The language of the graph: what an artifact is, how an asset makes it, when it may be reused."""
