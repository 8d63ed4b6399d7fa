"""What /metrics shows of calls to models."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.25, 0.5, 1, 2.5, 5, 10, 15, 20, 30, 45, 60, 90)

LLM_CALLS = Counter(
    "daengdong_llm_calls_total", "Calls to paid models by how they ended", ("provider", "outcome")
)
LLM_QUESTIONS = Histogram(
    "daengdong_llm_question_seconds",
    "Time from question to checked answer or error, retries included",
    ("provider", "outcome"),
    buckets=_SECONDS,
)
LLM_TOKENS = Counter("daengdong_llm_tokens_total", "Tokens", ("provider", "direction"))
LLM_BREAKER = Gauge("daengdong_llm_breaker_open", "1 while calls are held back", ("provider",))
