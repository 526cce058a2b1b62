"""The codec gate: what it asks for, what it measures, what it shows."""
