"""Durable, private and foreign files: how they are written, believed, opened and digested."""
