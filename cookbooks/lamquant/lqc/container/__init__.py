"""Holds coded chunks in a file: its header, the chunks as they come, and an index at the end."""
