"""The dogs of a user, and the list of breeds."""
