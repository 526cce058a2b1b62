"""Judges, fail-closed, in processes of their own: one module for each verdict, and what they share."""
