"""Face: the best frame of a clip, and the emotion of a frame."""
