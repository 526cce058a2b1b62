"""Lets several machines share files: who was seen lately, who may write, and who holds what alone."""
