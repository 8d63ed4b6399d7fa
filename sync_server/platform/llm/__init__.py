"""Calls to paid models (Gemini, OpenAI, TwelveLabs): one adapter each, one guard before them all.

An adapter (`gemini.py`, `openai_chat.py`, `twelvelabs.py`) makes one call and knows one wire. The
guard (`guard.py`) owns what is the same for all: deadline, retries, breaker, daily budget. `ask.py`
turns a question with a schema into a checked value. A chat is a second Protocol (`talk.py`) behind
the same guard (`guarded_stream.py`).
"""
