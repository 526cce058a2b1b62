"""What every command that starts a run shares: args, the launch, its progress and its report."""
