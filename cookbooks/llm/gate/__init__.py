"""Asks what a GGUF must have shown before a governed name may stand for it."""
