"""What a report job reads and writes: objects of the job, so that no text stays in the AI store.

`JobRequest.document_url` is a signed address of the material; the report lies beside it under
`REPORT_NAME`, and the job's result only names it.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from sync_server.ai.vet.contract import Citation, DogFacts, Language, Memory, UserContext, Words

MATERIAL_NAME: Final = "material.json"
REPORT_NAME: Final = "report.json"
MAX_MATERIAL_BYTES: Final = 512 * 1024
MAX_QUESTIONS: Final = 12


class Asked(msgspec.Struct, frozen=True):
    """A question of the user and its day (ISO)."""

    on: str
    text: Words


class ReportMaterial(msgspec.Struct, frozen=True):
    """All that a report may use. `asked`: the user's own words, oldest first."""

    language: Language
    asked: Annotated[list[Asked], Meta(max_length=MAX_QUESTIONS)] = []
    memory: Memory = Memory()
    user_context: UserContext = UserContext()
    dog: DogFacts | None = None


class ReportSection(msgspec.Struct, frozen=True):
    """One section: paragraphs, and the documents they rest on."""

    section: Literal["told", "records", "guidance", "warning_signs", "questions"]
    title: str
    paragraphs: list[str]
    citations: list[Citation] = []


class Report(msgspec.Struct, frozen=True):
    """A finished report."""

    sections: list[ReportSection]
    disclaimer: str
    model_used: str
