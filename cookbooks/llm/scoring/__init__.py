"""Asks models in the same way, be they in transformers or in llama.cpp."""
