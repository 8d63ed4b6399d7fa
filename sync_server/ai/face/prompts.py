"""The narrator's prompt, filled from the Emotion Reference Store, and what its answer must keep.

The version is part of every result: raise it with every change of `TEMPLATE` or `NarratorReply`.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from edge_sdk.face.narration import EmotionReference, EmotionReferences, level_of
from edge_sdk.face.result import Probabilities
from sync_server.ai.prompting import Sentence, bullets
from sync_server.platform.llm.contract import Question
from sync_server.platform.llm.schema import plain_schema

PROMPT_VERSION: Final = "face-narrator-1"
MAX_EXPLANATION: Final = 200
MAX_NARRATION: Final = 120
CONFIDENCE_DIGITS: Final = 2

SYSTEM: Final = (
    "You are an AI assistant that explains a dog's emotional state based on a short facial video "
    "and predefined interpretation rules. You explain a result that is given; you do not judge it."
)

TEMPLATE: Final = """\
[Emotion Information]
- Emotion Type: {emotion_type}
- Emotion Name: {name_ko} ({name_en})
- Confidence: {confidence}

[Visual Cues]
{visual_cues}

[Interpretation Guideline]
{interpretation_guideline}

[Confidence Guideline]
- {level}: {level_text}

[Tone Guideline]
{tone}

[Instruction]
Using the information above:
1. Explain the dog's current emotional state in a calm, user-friendly manner \
("explanation": one or two sentences of an observer, at most {max_explanation} characters).
2. Let the dog say it in its own words ("narration": first person, as the dog would speak to its \
owner, one or two sentences, at most {max_narration} characters).
3. Avoid definitive or alarming language. No diagnosis, no illness, no pain, no medical advice.
4. Focus on observable facial cues. Do NOT assume what is not given here.
5. Write each in Korean ("ko", polite in the explanation, friendly in the narration) and in \
English ("en").

[Output Format]
Return ONLY the following JSON format:
{{
  "emotion": "{emotion_type}",
  "confidence": {confidence},
  "explanation": {{"ko": string, "en": string}},
  "narration": {{"ko": string, "en": string}}
}}"""

_MARKUP: Final = re.compile(r"[<>{}\[\]`*_#|\\]|https?:|www\.")
_DIAGNOSIS_KO: Final = re.compile(
    r"질병|질환|병원|진단|증상|증세|통증|아프|아픈|아파|우울증|불안증|장애|치료|처방|수의사|약물|복용"
)
_DIAGNOSIS_EN: Final = re.compile(
    r"\b(disease|illness|ill|sick\w*|diagnos\w+|symptom\w*|disorder\w*|depress\w+|pain\w*|hurts?|"
    r"injur\w+|treatment\w*|medic\w+|vets?|veterinar\w+|clinic\w*|therap\w+|prescri\w+)\b",
    re.IGNORECASE,
)
_ALARM_KO: Final = re.compile(
    r"응급|위험|심각|긴급|즉시|당장|경고|공격|물 수|물릴|확실히|틀림없|분명히|반드시|절대"
)
_ALARM_EN: Final = re.compile(
    r"\b(emergenc\w+|danger\w*|serious\w*|severe\w*|urgent\w*|immediate\w*|warning\w*|aggressi\w+|"
    r"attack\w*|bit(e|es|ing)|definite\w*|certainly|undoubtedly|without (a )?doubt|for sure|"
    r"must)\b",
    re.IGNORECASE,
)


class NarratorReply(msgspec.Struct, frozen=True):
    """The narrator's JSON."""

    emotion: Literal["HAPPY", "SAD", "ANGRY", "RELAXED"]
    confidence: Annotated[float, Meta(ge=0, le=1)]
    explanation: Sentence
    narration: Sentence


def narrator_question(probabilities: Probabilities, references: EmotionReferences) -> Question:
    """Put the question together for the most probable emotion."""
    (name, confidence), *_ = probabilities.ranked()
    own = references.emotions[name]
    level = level_of(confidence, references)
    return Question(
        prompt_version=PROMPT_VERSION,
        system=SYSTEM,
        text=TEMPLATE.format(
            emotion_type=own.emotion_type,
            name_ko=own.emotion_name.ko,
            name_en=own.emotion_name.en,
            confidence=round(confidence, CONFIDENCE_DIGITS),
            visual_cues=bullets(own.visual_cues.en),
            interpretation_guideline=bullets(own.interpretation_guideline.en),
            level=level,
            level_text=getattr(own.confidence_guideline, level).en,
            tone=own.tone.en,
            max_explanation=MAX_EXPLANATION,
            max_narration=MAX_NARRATION,
        ),
        schema=plain_schema(NarratorReply),
        temperature=0.4,
    )


def problem_of(
    reply: NarratorReply, probabilities: Probabilities, references: EmotionReferences
) -> str | None:
    """What must not reach an owner in a reply of the right shape; None when all may."""
    (name, confidence), *_ = probabilities.ranked()
    own: EmotionReference = references.emotions[name]
    if reply.emotion != own.emotion_type:
        return f"`emotion` is not {own.emotion_type}"
    if abs(reply.confidence - confidence) > 10**-CONFIDENCE_DIGITS:
        return "`confidence` is not the given one"
    for field, sentence, limit in (
        ("explanation", reply.explanation, MAX_EXPLANATION),
        ("narration", reply.narration, MAX_NARRATION),
    ):
        if max(len(sentence.ko), len(sentence.en)) > limit:
            return f"`{field}` is longer than {limit} characters"
        if not sentence.in_its_languages():
            return f"`{field}`: `ko` is not Korean, or `en` not English"
        if _MARKUP.search(sentence.ko) or _MARKUP.search(sentence.en):
            return f"`{field}` has markup or a link"
        if _DIAGNOSIS_KO.search(sentence.ko) or _DIAGNOSIS_EN.search(sentence.en):
            return f"`{field}` speaks of illness, pain or medicine"
        if _ALARM_KO.search(sentence.ko) or _ALARM_EN.search(sentence.en):
            return f"`{field}` is alarming or definitive"
    return None
