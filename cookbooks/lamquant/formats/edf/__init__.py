"""Reads and writes EDF and BDF recordings."""
