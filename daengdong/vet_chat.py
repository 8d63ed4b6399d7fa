"""`daengdong vet chat`: a conversation with the vet chat in the terminal, streamed."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from daengdong.output import console, errors, fail, print_json
from daengdong.phone import Phone, run_phone
from daengdong.phone_commands import DEFAULT_HOME, DEFAULT_SERVER, Home, Server

STREAM: Final = "/api/vet/chat/stream"
_SILENCE_S: Final = 60.0
_WORDS: Final = {
    "ko": {
        "hello": "무엇이든 물어보세요. 진단이 아닌 일반적인 안내입니다. (끝내기: Ctrl-D)",
        "prompt": "나> ",
        "stopped": "\n멈췄습니다. 여기까지는 남아 있습니다. 이어서 들으려면 /계속",
        "nothing": "이어 갈 답변이 없습니다.",
        "urgent": "바로 진료가 필요한 신호",
        "followups": "더 알려 주시면 좋은 것",
        "sources": "근거",
    },
    "en": {
        "hello": "Ask anything. This is general information, no diagnosis. (Leave: Ctrl-D)",
        "prompt": "me> ",
        "stopped": "\nStopped. What was said is kept. To hear the rest: /go",
        "nothing": "There is no answer to go on with.",
        "urgent": "Warning signs",
        "followups": "What would help to know",
        "sources": "Sources",
    },
}


class ChatFailed(Exception):
    """The server refused a question, or its answer failed; `code` is the server's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Talk:
    """A conversation as this terminal knows it: its id, and the last event that was seen."""

    language: str = "ko"
    dog_id: str | None = None
    conversation_id: str = ""
    turn_id: str = ""
    last_id: str = ""
    shown: str = ""
    """What was shown of the answer of the turn `turn_id`."""


def chat(
    question: Annotated[str, typer.Argument(help="One question; without one: a talk.")] = "",
    home: Home = DEFAULT_HOME,
    server: Server = DEFAULT_SERVER,
    dog: Annotated[str, typer.Option(help="Name or id of the dog; this phone's by default.")] = "",
    conversation: Annotated[str, typer.Option(help="Go on with this conversation.")] = "",
    language: Annotated[str, typer.Option(help="ko or en.")] = "ko",
    json: Annotated[bool, typer.Option("--json", help="Print the whole answer as JSON.")] = False,
) -> None:
    """Ask the vet chat of a server; the answer appears as it is written.

    Ctrl-C stops an answer: what was said is kept, /계속 (or /go) goes on with it.
    """
    if language not in _WORDS:
        raise fail("invalid_language", "ko or en", json)
    talk = Talk(language, conversation_id=conversation)

    import httpx

    async def begin(phone: Phone) -> None:
        await phone.sign_in()
        talk.dog_id = await _dog_of(phone, dog)

    try:
        run_phone(home, server, begin, json)
        if question or json:
            _one(home, server, talk, question, json)
        else:
            _talk(home, server, talk)
    except ChatFailed as error:
        raise fail(error.code, str(error), json) from None
    except httpx.HTTPError as error:
        raise fail("unreachable", f"{server}: {type(error).__name__}", json) from None


def _one(home: Path, server: str, talk: Talk, question: str, as_json: bool) -> None:
    show: Callable[[str], None] = _show_nothing if as_json else _show
    answer = run_phone(home, server, lambda phone: ask(phone, server, talk, question, show))
    print_json(answer) if as_json else _show_rest(talk, answer)


def _talk(home: Path, server: str, talk: Talk) -> None:
    words = _WORDS[talk.language]
    console.print(words["hello"], highlight=False)
    while True:
        try:
            line = input(words["prompt"]).strip()
        except (EOFError, KeyboardInterrupt):
            console.print()
            return
        if not line:
            continue
        goes_on = line in ("/계속", "/go")
        if goes_on and not talk.turn_id:
            console.print(words["nothing"])
            continue
        try:
            answer = run_phone(
                home, server,
                lambda phone, line=line, goes_on=goes_on: (  # type: ignore[misc]
                    go_on(phone, server, talk, _show) if goes_on
                    else ask(phone, server, talk, line, _show)
                ),
            )  # fmt: skip
        except KeyboardInterrupt:
            console.print(words["stopped"])
        except ChatFailed as error:
            errors.print(f"[red]{error.code}[/red]: {error}", highlight=False)
        else:
            _show_rest(talk, answer)


# --- asking --------------------------------------------------------------------------------


async def ask(
    phone: Phone, server: str, talk: Talk, question: str, show: Callable[[str], None]
) -> dict[str, Any]:
    """Ask a question and show its answer as it comes; return the whole. Raises ChatFailed."""
    body: dict[str, Any] = {
        "conversation_id": talk.conversation_id,
        "message": {"role": "user", "content": question},
    }
    if talk.dog_id is not None:
        body["dog_id"] = talk.dog_id
    talk.turn_id = talk.last_id = talk.shown = ""
    return await _streamed(phone, server, talk, "POST", STREAM, body, show)


async def go_on(
    phone: Phone, server: str, talk: Talk, show: Callable[[str], None]
) -> dict[str, Any]:
    """Go on with an answer that was stopped; return the whole. Raises ChatFailed."""
    return await _streamed(phone, server, talk, "GET", f"{STREAM}/{talk.turn_id}", None, show)


async def _streamed(
    phone: Phone,
    server: str,
    talk: Talk,
    method: str,
    path: str,
    body: dict[str, Any] | None,
    show: Callable[[str], None],
) -> dict[str, Any]:
    import httpx

    await phone.get("/api/me")  # Renews the access token where it is over.
    headers = {
        "Authorization": f"Bearer {await phone.store.get_meta('access_token')}",
        "Accept": "text/event-stream",
        "Accept-Language": talk.language,
    }
    if talk.last_id:
        headers["Last-Event-ID"] = talk.last_id
    async with (
        httpx.AsyncClient(base_url=server, timeout=_SILENCE_S, trust_env=False) as client,
        client.stream(method, path, json=body, headers=headers) as answer,
    ):
        if answer.status_code != 200:
            raise _refused(await answer.aread(), answer.status_code)
        talk.conversation_id = answer.headers["x-conversation-id"]
        talk.turn_id = answer.headers["x-turn-id"]
        async for name, event_id, data in _events(answer.aiter_lines()):
            talk.last_id = event_id
            if name == "token":
                talk.shown += data["text"]
                show(data["text"])
            elif name == "replace":
                talk.shown = data["text"]
                show(f"\n---\n{data['text']}")
            elif name == "final":
                talk.turn_id = talk.last_id = ""
                final: dict[str, Any] = data
                return final
            elif name == "error":
                raise ChatFailed(data["error"]["code"], data["error"]["message"])
    raise ChatFailed("interrupted", "the server ended the stream")


async def _events(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str, str, dict[str, Any]]]:
    """Yield (name, id, data) of server-sent events."""
    fields: dict[str, str] = {}
    async for line in lines:
        if not line and "data" in fields:
            yield fields["event"], fields["id"], msgspec.json.decode(fields["data"])
        if not line:
            fields = {}
        name, _, value = line.partition(":")
        fields[name] = value.removeprefix(" ")


def _refused(body: bytes, status: int) -> ChatFailed:
    try:
        said = msgspec.json.decode(body, type=dict[str, dict[str, Any]])["error"]
        return ChatFailed(str(said["code"]), str(said["message"]))
    except (msgspec.DecodeError, KeyError):
        return ChatFailed("refused", f"status {status}")


async def _dog_of(phone: Phone, wanted: str) -> str | None:
    if not wanted:
        return await phone.store.get_meta("dog_id")
    dogs = (await phone.get("/api/dogs"))["dogs"]
    for dog in dogs:
        if wanted in (dog["dog_id"], dog["name"]):
            found: str = dog["dog_id"]
            return found
    raise ChatFailed("no_such_dog", f"{wanted}; yours: {', '.join(dog['name'] for dog in dogs)}")


# --- showing -------------------------------------------------------------------------------


def _show(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _show_nothing(text: str) -> None:
    return None


def _show_rest(talk: Talk, answer: dict[str, Any]) -> None:
    """Print what stands beside an answer: warning signs, what to tell more, sources."""
    for line in rest_of(talk.language, answer):
        console.print(line, highlight=False, markup=False)


def rest_of(language: str, answer: dict[str, Any]) -> list[str]:
    """Return what stands beside an answer, in lines."""
    words, safety = _WORDS[language], answer["safety"]
    lines = ["", ""]
    if safety["urgent_signals"]:
        lines.append(f"{words['urgent']}:")
        lines += [f"- {signal}" for signal in safety["urgent_signals"]]
        lines.append(safety["urgent_recommendation"])
    if answer["followups"]:
        lines.append(f"{words['followups']}: {' '.join(answer['followups'])}")
    if answer["citations"]:
        titles = dict.fromkeys(each["title"] for each in answer["citations"])
        lines.append(f"{words['sources']}: {', '.join(titles)}")
    lines.append(safety["disclaimer"])
    lines.append(f"({answer['processing']['model_used']} {answer['processing']['latency_ms']} ms)")
    return lines
