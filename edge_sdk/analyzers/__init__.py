"""What every analyzer shares: running modes, the live queue, stages with progress and times."""
