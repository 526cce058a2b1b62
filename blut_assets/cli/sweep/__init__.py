"""Runs a sweep: what the command line asks for, the processes that take trials, and what they tell."""
