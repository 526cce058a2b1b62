"""Keeps a history in PostgreSQL: its address, connections to it, and what is wrong if it does not answer."""
