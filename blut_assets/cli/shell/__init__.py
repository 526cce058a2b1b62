"""Serves shell and terminal: completion, the catalogue that it is made from, colours."""
