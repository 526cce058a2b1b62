"""Writes runs that have ended for other tools to read, in their own formats."""
