"""Vet chat on the AI side: a message and what the backend knows in, a checked answer out.

It keeps nothing: conversations belong to the backend (`sync_server/vet`). Nine stages a turn
(`pipeline.py`): validate, pre-safety, context, image, routing, retrieval, inference, post-safety
and structuring, finalise.
"""
