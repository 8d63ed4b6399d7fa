"""The product's comparison tables: face detector, emotion, pose, and the whole face pipeline."""
