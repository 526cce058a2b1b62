"""Reads and writes LMA archives."""
