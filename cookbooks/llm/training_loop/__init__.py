"""Holds what all trainings of language models share; only payloads import this."""
