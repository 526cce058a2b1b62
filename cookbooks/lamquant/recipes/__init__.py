"""Holds the LamQuant catalogue: one module for each recipe, and the args that they share."""
