"""Defines the nouns of the LamQuant cookbook, by stage. Every field is a fact measured on the bytes."""
