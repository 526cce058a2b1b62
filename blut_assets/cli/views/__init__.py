"""Computes the rows that commands print with ``--json`` and the cockpit draws, out of an instance."""
