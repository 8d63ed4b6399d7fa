"""A local Kakao: a real HTTP server that speaks the wire format of Kakao Login's REST API.

`GET /oauth/authorize` redirects with code and state, `POST /oauth/token` trades a code (form
encoded, PKCE, client secret) and `GET /v2/user/me` says who signed in. Errors are Kakao's JSON.
`fault` scripts what goes wrong next.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlencode, urlsplit

Step = Literal["token", "me"]
Fault = Literal["500", "hang", "drip", "bad_json", "wrong_json", "huge", "redirect", "429", "cut"]
CLIENT_ID, CLIENT_SECRET = "kakao-rest-api-key", "kakao-client-secret-0123456789"


@dataclass(frozen=True)
class Person:
    """Someone with a Kakao account; without a nickname they did not agree to share it."""

    kakao_id: int
    nickname: str | None = None


@dataclass(frozen=True)
class _Grant:
    person: Person
    redirect_uri: str
    challenge: str


@dataclass
class Kakao:
    """The server's state; tests script it and look at what was asked."""

    person: Person = Person(3_141_592_653, "보리 보호자")
    faults: dict[Step, Fault] = field(default_factory=dict)
    wrong_state: bool = False
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    secrets_seen: set[str] = field(default_factory=set)
    _codes: dict[str, _Grant] = field(default_factory=dict)
    _tokens: dict[str, Person] = field(default_factory=dict)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def settings(self, *redirect_uris: str) -> dict[str, str]:
        """Settings of a server that signs in here."""
        return {
            "kakao_client_id": CLIENT_ID,
            "kakao_client_secret": CLIENT_SECRET,
            "kakao_auth_url": self.url,
            "kakao_api_url": self.url,
            "kakao_redirect_uris": ",".join(redirect_uris),
        }

    def __enter__(self) -> Kakao:
        kakao = self

        class Handler(_Handler):
            owner = kakao

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    # What the three endpoints do: (status, headers, body) -------------------------------------

    def authorize(self, query: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        if query.get("response_type") != "code" or query.get("client_id") != CLIENT_ID:
            return _error(401, "invalid_client", "Not exist client_id", "KOE101")
        code = secrets.token_urlsafe(48)
        self.secrets_seen.add(code)
        assert query["code_challenge_method"] == "S256"
        self._codes[code] = _Grant(self.person, query["redirect_uri"], query["code_challenge"])
        state = "somebody-elses-state" if self.wrong_state else query["state"]
        back = f"{query['redirect_uri']}?{urlencode({'code': code, 'state': state})}"
        return 302, {"Location": back}, b""

    def token(self, form: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        if form.get("client_id") != CLIENT_ID or form.get("client_secret") != CLIENT_SECRET:
            return _error(401, "invalid_client", "Bad client credentials", "KOE010")
        if form.get("grant_type") != "authorization_code":
            return _error(400, "unsupported_grant_type", "unsupported grant type", "KOE203")
        code = form.get("code", "")
        grant = self._codes.pop(code, None)
        if grant is None:
            said = f"authorization code not found for code={code}"
            return _error(400, "invalid_grant", said, "KOE320")
        if form.get("redirect_uri") != grant.redirect_uri:
            return _error(400, "invalid_grant", "Redirect URI mismatch.", "KOE303")
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != grant.challenge:
            return _error(400, "invalid_grant", f"code_verifier mismatch for {code}", "KOE320")
        access, refresh = secrets.token_urlsafe(40), secrets.token_urlsafe(40)
        self.secrets_seen |= {access, refresh, form["code_verifier"], CLIENT_SECRET}
        self._tokens[access] = grant.person
        return _json(
            200,
            {
                "access_token": access,
                "token_type": "bearer",
                "refresh_token": refresh,
                "expires_in": 21599,
                "scope": "profile_nickname",
                "refresh_token_expires_in": 5183999,
            },
        )

    def me(self, authorization: str) -> tuple[int, dict[str, str], bytes]:
        person = self._tokens.get(authorization.removeprefix("Bearer "))
        if person is None:
            return _json(401, {"msg": "this access token does not exist", "code": -401})
        body: dict[str, Any] = {"id": person.kakao_id, "connected_at": "2026-11-18T02:33:20Z"}
        if person.nickname is not None:
            body["properties"] = {"nickname": person.nickname}
            body["kakao_account"] = {
                "profile_nickname_needs_agreement": False,
                "profile": {"nickname": person.nickname, "is_default_nickname": False},
            }
        return _json(200, body)


class _Handler(BaseHTTPRequestHandler):
    owner: Kakao
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = _flat(url.query)
        self.owner.requests.append((url.path, query))
        if url.path == "/oauth/authorize":
            self._send(*self.owner.authorize(query))
        elif url.path == "/v2/user/me":
            if not self._faulty("me"):
                self._send(*self.owner.me(self.headers.get("Authorization", "")))
        else:
            self._send(*_json(404, {"msg": "not found", "code": -1}))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        form = _flat(body)
        self.owner.requests.append((self.path, form))
        form_type = "application/x-www-form-urlencoded"
        if not self.headers.get("Content-Type", "").startswith(form_type):
            self._send(*_error(400, "invalid_request", "not form encoded", "KOE202"))
        elif not self._faulty("token"):
            self._send(*self.owner.token(form))

    def _faulty(self, step: Step) -> bool:
        fault = self.owner.faults.get(step)
        if fault is None:
            return False
        if fault == "500":
            self._send(500, {}, b"<html>Internal Server Error</html>")
        elif fault == "429":
            self._send(*_json(429, {"msg": "API limit has been exceeded.", "code": -10}))
        elif fault == "bad_json":
            self._send(200, {"Content-Type": "application/json"}, b'{"access_token": "ab')
        elif fault == "wrong_json":
            self._send(*_json(200, {"access_token": 7, "id": "not a number"}))
        elif fault == "huge":
            self._send(200, {"Content-Type": "application/json"}, b'"' + b"x" * 1_000_000 + b'"')
        elif fault == "redirect":
            self._send(302, {"Location": f"{self.owner.url}/elsewhere"}, b"")
        elif fault == "cut":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
            self.close_connection = True
        elif fault == "hang":
            self.owner._stopped.wait(30)
            self.close_connection = True
        else:
            # A byte now and then: a timeout that restarts with every byte never ends.
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
            while not self.owner._stopped.wait(0.1):
                try:
                    self.wfile.write(b" ")
                    self.wfile.flush()
                except OSError:
                    break
            self.close_connection = True
        return True

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Say nothing: the tests look at what our server logs."""


def _flat(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}


def _json(status: int, body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    headers = {"Content-Type": "application/json;charset=UTF-8"}
    return status, headers, json.dumps(body, ensure_ascii=False).encode()


def _error(
    status: int, error: str, description: str, code: str
) -> tuple[int, dict[str, str], bytes]:
    body = {"error": error, "error_description": description, "error_code": code}
    return _json(status, body)
