"""Holds a process tree within its limits: the ways, strongest first, and the choice between them."""
