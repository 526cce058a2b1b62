"""Runs one recipe many times, with args that differ: which trials there are, and what became of each."""
