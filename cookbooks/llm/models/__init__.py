"""Reads models that are there already: a Hugging Face directory, and what a registered name stands for."""
