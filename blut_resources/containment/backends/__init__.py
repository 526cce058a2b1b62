"""The ways to hold a process tree within its limits, strongest first, and the choice between them."""
