"""Surprise missions: judges and their prompts."""
