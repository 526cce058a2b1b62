"""Brings nearer to the signal what a codec's files decode to: the same bytes, numpy alone."""
