"""Offline first: the client log, the local store, and the client of the sync protocol."""
