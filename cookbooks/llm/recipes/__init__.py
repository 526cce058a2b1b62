"""Holds the LLM catalogue."""
