"""Finds, makes and starts the one persistent Dagster instance."""
