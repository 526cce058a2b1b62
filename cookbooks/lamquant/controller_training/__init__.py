"""Trains controllers: what only payloads import, since PyTorch takes seconds to load."""
