"""Keeps copies of artifacts in a bucket, under their digest: the store's second tier."""
