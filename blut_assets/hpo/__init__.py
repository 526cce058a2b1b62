"""Looks for the best args of a recipe: what is searched, what is tried next, what is given up."""
