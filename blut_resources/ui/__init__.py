"""Serves Dagster's UI behind a guard."""
