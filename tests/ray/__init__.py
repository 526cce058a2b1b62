"""Payloads as jobs of a real Ray, of two nodes that the tests start."""
