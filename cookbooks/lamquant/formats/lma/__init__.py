"""LMA archives."""
