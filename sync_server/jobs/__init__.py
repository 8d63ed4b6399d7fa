"""Jobs of the AI role as their owners see them: kept here, run there."""
