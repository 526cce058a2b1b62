"""The retraining policy: its file, what it looks at, and the decision."""
