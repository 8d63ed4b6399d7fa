"""Healthcare: gait of a clip, its history and trend."""
