"""Faces: what is said of a dog's expression."""
