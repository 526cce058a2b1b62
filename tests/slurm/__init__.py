"""Payloads on a Slurm of three nodes, which the tests start on this machine and take away again."""
