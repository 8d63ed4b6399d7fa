"""A backend that takes callbacks: a process of its own, small and quick to start, to be killed.

It writes down each call before it answers (one line of JSON, so a kill leaves at most half a line).
Of ten calls one is written down and not answered, one is refused with 503: the sender must cope.
"""

from __future__ import annotations

import json
import os
import sys
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Writes calls to the file named on the command line."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        dice = zlib.crc32(body + os.urandom(4)) % 10
        if dice == 0:
            self._answer(503)
            return
        headers = {name: self.headers[name] for name in self.headers if "webhook" in name.lower()}
        line = json.dumps({"path": self.path, "headers": headers, "body": body.decode()})
        with open(sys.argv[2], "a") as log:
            log.write(line + "\n")
        if dice == 1:
            self.close_connection = True
            return
        self._answer(200)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer.allow_reuse_address = True
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
