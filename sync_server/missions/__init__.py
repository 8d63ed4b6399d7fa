"""Surprise missions: offered on a walk, judged at its end, paid in points."""
