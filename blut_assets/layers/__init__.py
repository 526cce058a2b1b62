"""Resolves the args of a recipe from layers of settings, and tells where each value comes from."""
