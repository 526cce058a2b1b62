"""Keeps the retraining policy: its file, what it looks at, and the decision."""
