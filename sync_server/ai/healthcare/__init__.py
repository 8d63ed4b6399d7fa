"""Judging a dog's gait, with the overlay video and report picture made afterwards."""
