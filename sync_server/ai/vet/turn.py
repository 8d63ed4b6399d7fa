"""One turn's times and facts: for `processing`, the log line and /metrics. Never a word of it."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Final, Literal, TypeAlias

import structlog
from prometheus_client import Counter, Histogram

from sync_server.ai.vet.contract import Processing, Route
from sync_server.ai.vet.notices import NoticeCode

log = structlog.get_logger(__name__)
Stage: TypeAlias = Literal[
    "validating", "safety_pre", "context", "image_pre", "routing", "retrieval", "infer",
    "post_safety", "finalizing",
]  # fmt: skip
STAGES: Final[tuple[Stage, ...]] = (
    "validating", "safety_pre", "context", "image_pre", "routing", "retrieval", "infer",
    "post_safety", "finalizing",
)  # fmt: skip
_SECONDS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 12, 15, 30)

VET_STAGES = Histogram(
    "daengdong_vet_stage_seconds", "Time of a stage of a chat turn", ("stage",), buckets=_SECONDS
)
VET_FIRST = Histogram(
    "daengdong_vet_first_piece_seconds", "Time to the first piece of an answer", ("backend",),
    buckets=_SECONDS,
)  # fmt: skip
VET_TURNS = Counter(
    "daengdong_vet_turns_total", "Chat turns by how they ended, who answered, and from the cache",
    ("outcome", "backend", "cache"),
)  # fmt: skip
VET_CORRECTIONS = Counter(
    "daengdong_vet_corrections_total", "What the check after the model found wrong", ("reason",)
)


def place_of(error: BaseException) -> str:
    """Where an error of ours was raised; its text and its frames may hold a user's words."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


@dataclass
class Turn:
    """What is measured of a turn. `backend` is who has answered in the end."""

    backend: str
    route: Route = "text_only"
    model_used: str = ""
    rag_used: bool = False
    cached: bool = False
    emergency: bool = False
    replaced: bool = False
    error_code: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    notices: list[NoticeCode] = field(default_factory=list)
    ms: dict[Stage, float] = field(default_factory=dict)
    first_ms: float | None = None
    _started: float = field(default_factory=perf_counter)

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        """Add the time inside to a stage; a stage may be entered again and again."""
        start = perf_counter()
        try:
            yield
        finally:
            self.ms[name] = self.ms.get(name, 0.0) + (perf_counter() - start) * 1000

    def note(self, code: NoticeCode) -> None:
        """Remember what was limited, once."""
        if code not in self.notices:
            self.notices.append(code)

    def shows(self) -> None:
        """Something is shown: the first time counts."""
        if self.first_ms is None:
            self.first_ms = self._elapsed_ms()

    def processing(self, notice: str) -> Processing:
        """What the answer says of how it came about."""
        return Processing(
            latency_ms=round(self._elapsed_ms()),
            model_used=self.model_used,
            route=self.route,
            rag_used=self.rag_used,
            cached=self.cached,
            notice=notice,
            stage_ms={name: round(self.ms.get(name, 0.0), 3) for name in STAGES},
            tokens_in=self.tokens_in,
            tokens_out=self.tokens_out,
        )

    def ended(self, outcome: str) -> None:
        """Write the log line and the metrics; `outcome` is ok, limited, left or an error code."""
        for name, ms in self.ms.items():
            VET_STAGES.labels(name).observe(ms / 1000)
        if self.first_ms is not None:
            VET_FIRST.labels(self.backend).observe(self.first_ms / 1000)
        VET_TURNS.labels(outcome, self.backend, "hit" if self.cached else "miss").inc()
        log.info(
            "vet_turn", outcome=outcome, error_code=self.error_code or None, backend=self.backend,
            model_used=self.model_used, route=self.route, rag_used=self.rag_used,
            cached=self.cached, emergency=self.emergency, replaced=self.replaced,
            notices=self.notices, tokens_in=self.tokens_in, tokens_out=self.tokens_out,
            total_ms=round(self._elapsed_ms(), 1),
            first_ms=None if self.first_ms is None else round(self.first_ms, 1),
            **{f"t_{name}_ms": round(self.ms.get(name, 0.0), 1) for name in STAGES},
        )  # fmt: skip

    def _elapsed_ms(self) -> float:
        return (perf_counter() - self._started) * 1000
