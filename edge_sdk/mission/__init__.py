"""Surprise missions: whether a dog sat, lay down, gave its paw, turned or jumped."""
