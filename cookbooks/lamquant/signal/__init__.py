"""Computes on samples before a model sees them: duplicates, splits, windows."""
