"""Recording walks: live fixes, GPX files, and what the walk earns so far."""
