"""Vet chat of the backend: conversations, memory, streams, reports; the AI role answers."""
