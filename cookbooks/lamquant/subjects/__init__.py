"""Tells whose recording a file is: the evidence, and what it joins."""
