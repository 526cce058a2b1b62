"""Joins a codec and a controller: bits are spent where it sees what matters, frame by frame."""
