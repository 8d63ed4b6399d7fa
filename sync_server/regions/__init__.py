"""Administrative regions: imported boundaries, and where a cell lies."""
