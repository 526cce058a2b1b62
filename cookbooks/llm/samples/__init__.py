"""Sample models and dialogues, built from wheels of the package index."""
