"""Libraries that run a model file, each imported when it is first used."""
