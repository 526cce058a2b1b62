"""Defines typed configs of the LLM assets, in the order of the flow."""
