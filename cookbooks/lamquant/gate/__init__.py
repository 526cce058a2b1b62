"""Judges a codec: what the gate asks for, what it measures, what it shows."""
