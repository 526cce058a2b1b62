"""LML1, the lossless signal container."""
