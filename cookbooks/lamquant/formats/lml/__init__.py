"""Reads and writes LML1, the lossless signal container."""
