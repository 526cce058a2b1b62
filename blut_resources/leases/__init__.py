"""Admits what is to run: what of this machine is leased to whom, and whose turn is next."""
