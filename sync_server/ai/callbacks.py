"""Where events may be sent: the backend of the settings, and hosts the operator allows."""

from __future__ import annotations

from urllib.parse import urlsplit

from sync_server.platform.settings import Settings


class CallbackRefused(ValueError):
    """A callback URL leads to a host that events are not sent to."""

    code = "callback_refused"


def check_callback(url: str, settings: Settings) -> None:
    """Raise CallbackRefused unless the URL is the backend's own or an allowed host's.

    Allowed: the origin of `backend_url`, and the hosts of `fetch_allow_hosts` (host or host:port).
    Nobody else: a callback carries results, and is sent from inside the network.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        raise CallbackRefused("not a URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise CallbackRefused("http or https, a host, no user")
    own = urlsplit(settings.backend_url)
    own_port = own.port or {"http": 80, "https": 443}.get(own.scheme)
    if (parts.scheme, parts.hostname, port) == (own.scheme, own.hostname, own_port):
        return
    allowed = {host.strip().lower() for host in settings.fetch_allow_hosts.split(",")} - {""}
    name = parts.hostname.lower()
    if name in allowed or f"{name}:{port}" in allowed:
        return
    raise CallbackRefused(f"{name} is not the backend and not in DAENGDONG_FETCH_ALLOW_HOSTS")
