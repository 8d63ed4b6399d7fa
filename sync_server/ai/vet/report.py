"""VET_REPORT: what the owner told, what the records show, guidance, warning signs, questions.

Guidance is the chat's own: each concern goes through its nine stages, safety checks included. What
a stage returns is counts and names; every word lies in the job's scratch folder or its objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from sync_server.ai.contract import JobRequest
from sync_server.ai.fetching import ensured, in_folder
from sync_server.ai.results import analysis_id_of, iso_utc
from sync_server.ai.role import RoleUnavailable
from sync_server.ai.stages import (
    Json,
    PartOutcome,
    Pipeline,
    Stage,
    StageContext,
    StageFailed,
    StageUnavailable,
)
from sync_server.ai.vet.contract import (
    ChatAnswer,
    ChatOptions,
    ChatRefused,
    ChatRequest,
    Citation,
    Language,
    Message,
)
from sync_server.ai.vet.report_contract import (
    MAX_MATERIAL_BYTES,
    REPORT_NAME,
    Report,
    ReportMaterial,
    ReportSection,
)
from sync_server.ai.vet.role import VetRole, answered
from sync_server.platform.artifact_links import ARTIFACT_PATH, artifact_key, signed_artifact
from sync_server.platform.settings import Settings

VERSION: Final = "vet_report_v1"
MAX_CONCERNS: Final = 3
_QUOTE_CHARS: Final = 300
_SIGNS: Final = 10
_CONCERN_S: Final = 60.0
_OPTIONS: Final = ChatOptions(max_tokens=1_024)
_FAILED: Final = ("상담 리포트 작성에 실패했습니다.", "The report could not be written.")

# Korean, English.
_TITLES: Final = {
    "told": ("보호자가 알려 준 내용", "What you told us"),
    "records": ("산책·보행·표정 기록", "What walks, gait and face show"),
    "guidance": ("일반적인 안내", "General guidance"),
    "warning_signs": ("바로 진료가 필요한 신호", "Warning signs"),
    "questions": ("수의사에게 물어볼 것", "Questions for the vet"),
}
_NO_RECORDS: Final = (
    "이 반려견의 산책, 보행, 표정 기록이 아직 없습니다.",
    "There is no record of walks, gait or face of this dog yet.",
)
_NO_SOURCE: Final = (
    "이 안내의 근거가 되는 문서는 찾지 못했습니다.",
    "No document was found that this guidance rests on.",
)
_GENERAL: Final = (
    "우리 강아지의 건강을 위해 평소에 무엇을 살펴보면 좋을까요?",
    "What should I watch to keep my dog healthy?",
)
_ASK_TESTS: Final = (
    "“{}”: 어떤 진찰이나 검사가 도움이 되나요?",
    "“{}”: which examinations would help?",
)
_ASK_GAIT: Final = (
    "앱의 보행 분석 결과를 함께 보면 다리나 관절 진료가 필요한가요?",
    "Considering the app's gait analysis, do legs or joints need to be examined?",
)
_ASK_AGAIN: Final = (
    "집에서 무엇을 지켜보고, 언제 다시 와야 하나요?",
    "What shall I watch at home, and when shall I come again?",
)
_NOTE: Final = ("미리 살펴 두기: {}", "Note beforehand: {}")


# --- stages ---------------------------------------------------------------------------------


async def validate(context: StageContext, state: Json) -> Json:
    """Read the material; StageFailed INVALID_INPUT where there is none (any more)."""
    material = await _material(context)
    return {"questions": len(material.asked), "has_dog": material.dog is not None}


async def guide(context: StageContext, state: Json) -> Json:
    """Ask the chat about each concern."""
    answers = await _guide(context)
    return {"answers": len(answers), "cited": sum(len(each.citations) for each in answers)}


async def write(context: StageContext, state: Json) -> Json:
    """Put the report together and store it beside the material."""
    material = await _material(context)
    path = await ensured(_guidance(context), lambda: _guide(context))
    answers = msgspec.json.decode(path.read_bytes(), type=list[ChatAnswer])
    report = report_of(material, _concerns(material), answers)
    key = artifact_key(context.job.job_id, REPORT_NAME)
    await context.services.objects.put(key, msgspec.json.encode(report))
    return {"sections": len(report.sections), "model_used": report.model_used}


async def _guide(context: StageContext) -> list[ChatAnswer]:
    material = await _material(context)
    concerns = _concerns(material)
    answers: list[ChatAnswer] = []
    for number, concern in enumerate(concerns):
        await context.progress(number / len(concerns), None)
        answers.append(await _answer(context, material, concern))
    _guidance(context).write_bytes(msgspec.json.encode(answers))
    return answers


async def _answer(context: StageContext, material: ReportMaterial, concern: str) -> ChatAnswer:
    role: VetRole = context.services.vet
    request = ChatRequest(
        conversation_id=f"report-{context.job.job_id}"[:128],
        message=Message(concern),
        user_context=material.user_context,
        options=_OPTIONS,
        dog=material.dog,
        memory=material.memory,
        language=material.language,
    )
    try:
        return await answered(role, request)
    except ChatRefused as refused:
        if refused.code == "INVALID_INPUT":
            raise StageFailed("INVALID_INPUT", *_FAILED) from None
        raise StageUnavailable(
            "LLM_TIMEOUT" if refused.code == "LLM_TIMEOUT" else "JOB_EXECUTION_FAILED",
            *_FAILED, reason=refused.code, retry_after_s=refused.retry_after_s,
        ) from None  # fmt: skip
    except RoleUnavailable:
        raise _unavailable("VET_ROLE") from None


async def _material(context: StageContext) -> ReportMaterial:
    services = context.services
    url = context.job.document_url or ""
    key = signed_artifact(services.signer, services.settings.public_url, url)
    data = None if key is None else await services.objects.get(key)
    if data is None or len(data) > MAX_MATERIAL_BYTES:
        raise StageFailed("INVALID_INPUT", *_FAILED, details={"field": "document_url"})
    try:
        return msgspec.json.decode(data, type=ReportMaterial)
    except msgspec.DecodeError:
        # Its text would quote the material.
        raise StageFailed("INVALID_INPUT", *_FAILED, details={"field": "document_url"}) from None


def _guidance(context: StageContext) -> Path:
    return in_folder(context, "guidance.json")


def _concerns(material: ReportMaterial) -> list[str]:
    """The last questions, each once; a general one where nothing was asked."""
    asked = list(dict.fromkeys(each.text.strip() for each in reversed(material.asked)))
    concerns = [text for text in asked if text][:MAX_CONCERNS]
    return concerns[::-1] or [_say(_GENERAL, material.language)]


def _unavailable(reason: str) -> StageUnavailable:
    return StageUnavailable("MODEL_SERVICE_UNAVAILABLE", *_FAILED, reason=reason)


# --- the report -----------------------------------------------------------------------------


def report_of(
    material: ReportMaterial, concerns: Sequence[str], answers: Sequence[ChatAnswer]
) -> Report:
    """Put the sections together; an empty one is left out, an urgent one comes first."""
    sections = [
        _told(material),
        _records(material),
        _guidance_section(material.language, concerns, answers),
        _warning_signs(material.language, answers),
        _questions(material, concerns, answers),
    ]
    found = [section for section in sections if section.paragraphs]
    if any(each.answer.tone == "urgent" for each in answers):
        found.sort(key=lambda section: section.section != "warning_signs")
    models = dict.fromkeys(each.processing.model_used for each in answers)
    return Report(found, answers[0].safety.disclaimer, "+".join(models))


def _told(material: ReportMaterial) -> ReportSection:
    asked = [f"{each.on}: {_short(each.text)}" for each in material.asked]
    return _section("told", material.language, [*material.memory.key_facts, *asked])


def _records(material: ReportMaterial) -> ReportSection:
    dog = material.dog
    if dog is None:
        return _section("records", material.language, [])
    found = [text for text in (dog.walks, dog.gait, dog.emotion) if text]
    return _section("records", material.language, found or [_say(_NO_RECORDS, material.language)])


def _guidance_section(
    language: Language, concerns: Sequence[str], answers: Sequence[ChatAnswer]
) -> ReportSection:
    paragraphs: list[str] = []
    citations: dict[str, Citation] = {}
    for concern, answer in zip(concerns, answers, strict=True):
        paragraphs += [f"“{_short(concern)}”", answer.answer.content]
        if not answer.citations:
            paragraphs.append(_say(_NO_SOURCE, language))
        citations |= {each.chunk_id: each for each in answer.citations}
    return _section("guidance", language, paragraphs, list(citations.values()))


def _warning_signs(language: Language, answers: Sequence[ChatAnswer]) -> ReportSection:
    signs = _once(sign for each in answers for sign in each.safety.urgent_signals)[:_SIGNS]
    advice = _once(each.safety.urgent_recommendation for each in answers)
    return _section("warning_signs", language, [*signs, *advice])


def _questions(
    material: ReportMaterial, concerns: Sequence[str], answers: Sequence[ChatAnswer]
) -> ReportSection:
    language = material.language
    found = [_say(_ASK_TESTS, language).format(_short(each)) for each in concerns if material.asked]
    if material.dog is not None and material.dog.gait:
        found.append(_say(_ASK_GAIT, language))
    found.append(_say(_ASK_AGAIN, language))
    notes = _once(text for each in answers for text in each.followups)[:_SIGNS]
    found += [_say(_NOTE, language).format(text) for text in notes]
    return _section("questions", language, found)


def _section(
    name: Any, language: Language, paragraphs: list[str], citations: list[Citation] | None = None
) -> ReportSection:
    return ReportSection(name, _say(_TITLES[name], language), paragraphs, citations or [])


def _say(words: tuple[str, str], language: Language) -> str:
    return words[language == "en"]


def _short(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= _QUOTE_CHARS else one_line[: _QUOTE_CHARS - 1] + "…"


def _once(texts: Iterable[str]) -> list[str]:
    return [text for text in dict.fromkeys(texts) if text]


# --- the job --------------------------------------------------------------------------------


def combine(
    job: JobRequest, outcomes: Sequence[PartOutcome], started_ms: int, finished_ms: int
) -> Json:
    """Name the report; not a word of it."""
    state = outcomes[0].state
    assert state is not None  # a part that fails ends the job
    return {
        "analysis_id": analysis_id_of(job, "vet_"),
        "job_id": job.job_id,
        "analyze_at": iso_utc(finished_ms),
        "processing": {"analysis_time_ms": max(0, finished_ms - started_ms)},
        "report_url": f"{ARTIFACT_PATH}{job.job_id}/{REPORT_NAME}",
        "sections": state["sections"],
        "model_version": f"{VERSION}:{state['model_used']}"[:200],
    }


VET_REPORT: Final = Pipeline(
    job_type="VET_REPORT",
    version=VERSION,
    stages=(
        Stage("VALIDATING", (0, 10), "요청을 확인하고 있습니다.", "Checking the request.",
              validate, 15, timeout_failure=_unavailable("OBJECT_STORE")),
        Stage("INFERENCE", (10, 85), "상담 내용을 정리하고 있습니다.", "Working out the guidance.",
              guide, MAX_CONCERNS * _CONCERN_S, timeout_failure=StageUnavailable(
                  "LLM_TIMEOUT", *_FAILED, reason="EXTERNAL_API_TIMEOUT")),
        Stage("FINALIZING", (85, 99), "리포트를 작성하고 있습니다.", "Writing the report.",
              write, MAX_CONCERNS * _CONCERN_S, timeout_failure=_unavailable("OBJECT_STORE")),
    ),
    combine=combine,
    done_word="succeeded",
    queued_ko="리포트 작성 대기열에 등록되었습니다.",
    queued_en="The report waits for its turn.",
    extra={"queued_stage": "VALIDATING"},
)  # fmt: skip


def make_pipelines(settings: Settings) -> Sequence[Pipeline]:
    """The jobs of this area, for the engine's registry."""
    return (VET_REPORT,)
