"""Serves every command that starts a run: args, the launch, its progress and its report."""
