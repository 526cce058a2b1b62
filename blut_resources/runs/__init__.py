"""Keeps runs: what each leaves in its directory, who is alive, and what goes with a deleted one."""
