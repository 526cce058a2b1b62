"""What is computed on the samples before a model sees them: duplicates, splits, windows."""
