"""A small S3 on 127.0.0.1: objects in memory, parts, ranges, listings. It checks no signature."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

BUCKET = "bucket"


class MiniS3:
    """`objects` by key; `environment` is what obstore needs to find it."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.http.daemon_threads = True

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "ap-northeast-2", "AWS_ALLOW_HTTP": "true",
            "AWS_ENDPOINT": f"http://127.0.0.1:{self.http.server_address[1]}",
        }  # fmt: skip


def _handler(s3: MiniS3) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def _where(self) -> tuple[str, dict[str, list[str]]]:
            url = urlsplit(self.path)
            path = unquote(url.path).removeprefix(f"/{BUCKET}").lstrip("/")
            return path, parse_qs(url.query, keep_blank_values=True)

        def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", headers.get("Length", str(len(body))))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("content-length", "0")))

        def do_PUT(self) -> None:
            key, query = self._where()
            data = self._body()
            source = self.headers.get("x-amz-copy-source")
            if source is not None:
                s3.objects[key] = s3.objects[unquote(source).lstrip("/").partition("/")[2]]
                self._answer(200, b'<CopyObjectResult><ETag>"x"</ETag></CopyObjectResult>')
                return
            if "uploadId" in query:
                s3.parts[query["uploadId"][0]][int(query["partNumber"][0])] = data
            else:
                s3.objects[key] = data
            self._answer(200, ETag=f'"{hashlib.md5(data).hexdigest()}"')

        def do_POST(self) -> None:
            key, query = self._where()
            body = self._body()
            if "delete" in query:  # many at once, by a list
                names = [name.decode() for name in re.findall(rb"<Key>(.*?)</Key>", body)]
                for name in names:
                    s3.objects.pop(unescape(name), None)
                done = "".join(f"<Deleted><Key>{name}</Key></Deleted>" for name in names)
                self._answer(200, f"<DeleteResult>{done}</DeleteResult>".encode())
                return
            if "uploads" in query:
                upload = f"upload-{len(s3.parts)}"
                s3.parts[upload] = {}
                text = f"<UploadId>{upload}</UploadId>"
                name = "InitiateMultipartUploadResult"
            else:
                parts = s3.parts.pop(query["uploadId"][0])
                s3.objects[key] = b"".join(parts[number] for number in sorted(parts))
                text, name = '<ETag>"whole"</ETag>', "CompleteMultipartUploadResult"
            head = f"<Bucket>{BUCKET}</Bucket><Key>{escape(key)}</Key>"
            self._answer(200, f"<{name}>{head}{text}</{name}>".encode())

        def do_GET(self) -> None:
            key, query = self._where()
            if "list-type" in query:
                prefix = query.get("prefix", [""])[0]
                found = "".join(
                    f"<Contents><Key>{escape(name)}</Key><Size>{len(data)}</Size>"
                    "<LastModified>2026-11-18T00:00:00.000Z</LastModified>"
                    '<ETag>"x"</ETag></Contents>'
                    for name, data in sorted(s3.objects.items())
                    if name.startswith(prefix)
                )
                text = f"<IsTruncated>false</IsTruncated>{found}"
                self._answer(200, f"<ListBucketResult>{text}</ListBucketResult>".encode())
                return
            data = s3.objects.get(key)
            if data is None:
                self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
                return
            facts: dict[str, Any] = {"ETag": '"x"', "Last_Modified": formatdate(usegmt=True)}
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", ""))
            if asked is None:
                self._answer(200, data, Length=str(len(data)), **facts)
            else:
                start, end = int(asked[1]), min(len(data), int(asked[2] or len(data)) + 1)
                facts["Content_Range"] = f"bytes {start}-{end - 1}/{len(data)}"
                self._answer(206, data[start:end], **facts)

        do_HEAD = do_GET

        def do_DELETE(self) -> None:
            s3.objects.pop(self._where()[0], None)
            self._answer(204)

    return Handler


@contextmanager
def mini_s3() -> Iterator[MiniS3]:
    server = MiniS3()
    thread = threading.Thread(target=server.http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()
        thread.join()
