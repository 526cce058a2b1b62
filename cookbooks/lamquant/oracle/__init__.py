"""Measures how many bytes a codec without limits would save, at the same error, and how sure that is."""
