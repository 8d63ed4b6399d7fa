"""Privacy of places: the zone around home, and the log of every use of a location."""
