"""Searches the args of a recipe for the best: what is searched, what is tried next, what is given up."""
