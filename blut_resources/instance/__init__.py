"""Finds, makes and opens the one persistent Dagster instance."""
