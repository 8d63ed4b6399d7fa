"""Uploads, pictures and signed links, with real pictures made here."""

from __future__ import annotations

import hashlib
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

from sync_server.media import limits, service
from tests.support.accounts import renew, user_no_of
from tests.support.app import Phone, Server, running

pytestmark = pytest.mark.anyio
SEOUL_GPS = {1: "N", 2: (37.0, 33.0, 59.4), 3: "E", 4: (126.0, 58.0, 40.9)}


def picture(
    kind: str = "JPEG", size: tuple[int, int] = (640, 480), mode: str = "RGB", **options: Any
) -> bytes:
    """A gradient, so that corners tell which way is up."""
    image = Image.linear_gradient("L").resize(size).convert(mode)
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def photo_with_gps(orientation: int = 6) -> bytes:
    """A phone's photo: GPS, camera, comment, and lying on its side."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "SecretPhone"
    exif.get_ifd(0x8825).update(SEOUL_GPS)
    return picture(exif=exif.tobytes(), comment=b"home sweet home")


@pytest.fixture
async def server(database_url: str, tmp_path: Path) -> AsyncIterator[Server]:
    async with running(database_url, tmp_path) as running_server:
        yield running_server


async def announce(server: Server, phone: Phone, data: bytes, **fields: Any) -> httpx.Response:
    body = {"kind": "diary_photo", "content_type": "image/jpeg", "size_bytes": len(data)} | fields
    return await server.client.post("/api/uploads", json=body, headers=phone.headers)


def path_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


async def upload(
    server: Server, phone: Phone, data: bytes, **fields: Any
) -> tuple[str, httpx.Response]:
    """Announce, send and complete; return the key and the last answer."""
    ticket = (await announce(server, phone, data, **fields)).json()
    sent = await server.client.put(
        path_of(ticket["upload_url"]), content=data, headers=ticket["headers"]
    )
    assert sent.status_code == 204, sent.text
    done = await server.client.post(f"/api/uploads/{ticket['key']}/complete", headers=phone.headers)
    return ticket["key"], done


def stored_objects(folder: Path) -> list[str]:
    return sorted(
        str(path.relative_to(folder / "media"))
        for path in (folder / "media").rglob("*")
        if path.is_file()
    )


async def test_a_photo_is_stored_upright_and_without_where_it_was_taken(
    server: Server, tmp_path: Path
) -> None:
    phone = await server.guest()
    data = photo_with_gps(orientation=6)
    assert b"SecretPhone" in data
    assert Image.open(io.BytesIO(data)).getexif().get_ifd(0x8825)[2] == SEOUL_GPS[2]
    key, done = await upload(server, phone, data, sha256=hashlib.sha256(data).hexdigest())
    assert done.status_code == 200, done.text
    document = done.json()
    assert (document["width_px"], document["height_px"]) == (480, 640)
    answer = await server.client.get(f"/api/media/{key}", headers=phone.headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"].startswith("private")
    assert answer.headers["content-disposition"] == 'inline; filename="photo.jpg"'
    assert hashlib.sha256(answer.content).hexdigest() == document["sha256"]
    stored = Image.open(io.BytesIO(answer.content))
    assert not stored.getexif()
    assert set(stored.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    for secret in (b"SecretPhone", b"home sweet", b"Exif", b"GPS"):
        assert secret not in answer.content
    # Orientation 6 is a quarter turn clockwise: the dark top of the file is on the right now.
    assert stored.getpixel((470, 320))[0] < 20 < 235 < stored.getpixel((10, 320))[0]  # type: ignore[index]
    assert stored_objects(tmp_path) == [f"media/{key}"]


async def test_the_phones_learn_of_a_photo_by_pull(server: Server) -> None:
    phone = await server.guest()
    key, done = await upload(server, phone, picture())
    async with server.platform.database.read() as tx:
        row = await tx.fetch_one("SELECT row_id, doc FROM feed_row WHERE collection = 'photos'")
    assert row["row_id"] == key
    assert httpx.Response(200, content=row["doc"]).json() == done.json()


async def test_an_etag_saves_the_second_download(server: Server) -> None:
    phone = await server.guest()
    key, done = await upload(server, phone, picture())
    tag = f'"{done.json()["sha256"]}"'
    headers = phone.headers | {"If-None-Match": f'W/"other", {tag}'}
    again = await server.client.get(f"/api/media/{key}", headers=headers)
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)


async def test_only_the_owner_and_who_holds_a_fresh_link_see_a_photo(server: Server) -> None:
    owner, other = await server.guest(), await server.guest()
    key, _ = await upload(server, owner, picture())
    assert (await server.client.get(f"/api/media/{key}")).status_code == 401
    for path, method in (
        (f"/api/media/{key}", "GET"),
        (f"/api/media/{key}/link", "POST"),
        (f"/api/uploads/{key}/complete", "POST"),
    ):
        answer = await server.client.request(method, path, headers=other.headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
    link = await server.client.post(f"/api/media/{key}/link", headers=owner.headers)
    path = path_of(link.json()["url"])
    assert (await server.client.get(path)).status_code == 200
    changed = path.replace("expires=1", "expires=2")
    assert (await server.client.get(changed)).status_code == 404
    forged = path[:-1] + ("1" if path[-1] == "0" else "0")
    assert (await server.client.get(forged)).status_code == 404
    server.clock.advance(ms=limits.MEDIA_LINK_MS)
    assert (await server.client.get(path)).status_code == 404


@pytest.mark.parametrize("key", ["unknown", "..%2f..%2fsecret.key", "%00", "a" * 32])
async def test_a_key_that_is_not_ours_is_not_found(server: Server, key: str) -> None:
    phone = await server.guest()
    for method, path in (("GET", f"/api/media/{key}"), ("POST", f"/api/uploads/{key}/complete")):
        answer = await server.client.request(method, path, headers=phone.headers)
        assert answer.status_code == 404, answer.text


async def test_the_signature_is_the_permission_to_upload(server: Server) -> None:
    phone = await server.guest()
    data = picture()
    ticket = (await announce(server, phone, data)).json()
    path = path_of(ticket["upload_url"])
    wrong = path[:-4] + "0000"
    assert (await server.client.put(wrong, content=data)).status_code == 404
    server.clock.advance(ms=limits.UPLOAD_URL_MS)
    assert (await server.client.put(path, content=data)).status_code == 404
    # A signature for reading does not write.
    media = server.platform.signer.sign("media", ticket["key"], server.clock() + 1000)
    forged = f"/api/uploads/{ticket['key']}/content?expires={server.clock() + 1000}"
    assert (await server.client.put(f"{forged}&signature={media}", content=data)).status_code == 404


async def test_more_bytes_than_announced_are_too_large(server: Server, tmp_path: Path) -> None:
    phone = await server.guest()
    data = picture()
    ticket = (await announce(server, phone, data)).json()

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(len(data) // 1000 + 2):
            yield b"x" * 1000

    answer = await server.client.put(path_of(ticket["upload_url"]), content=endless())
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert stored_objects(tmp_path) == []


async def test_an_upload_that_differs_from_what_was_announced_is_refused(server: Server) -> None:
    phone = await server.guest()
    data = picture()
    ticket = (await announce(server, phone, data)).json()
    complete = f"/api/uploads/{ticket['key']}/complete"
    nothing = await server.client.post(complete, headers=phone.headers)
    assert (nothing.status_code, nothing.json()["code"]) == (409, "upload_incomplete")
    await server.client.put(path_of(ticket["upload_url"]), content=data[:-1])
    short = await server.client.post(complete, headers=phone.headers)
    assert (short.status_code, short.json()["code"]) == (422, "upload_mismatch")
    # The same key takes another try.
    await server.client.put(path_of(ticket["upload_url"]), content=data)
    assert (await server.client.post(complete, headers=phone.headers)).status_code == 200
    again = await server.client.put(path_of(ticket["upload_url"]), content=data)
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    _, other = await upload(server, phone, data, sha256="0" * 64)
    assert other.json()["code"] == "upload_mismatch"


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "virus"},
        {"content_type": "image/svg+xml"},
        {"content_type": "image/gif"},
        {"size_bytes": 0},
        {"size_bytes": limits.MAX_UPLOAD_BYTES + 1},
        {"sha256": "xyz"},
        {"key": "mine"},
    ],
)
async def test_an_announcement_outside_the_limits_is_invalid(
    server: Server, fields: dict[str, Any]
) -> None:
    phone = await server.guest()
    answer = await announce(server, phone, b"x", **fields)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")


async def test_a_hostile_upload_is_refused_and_leaves_nothing(
    server: Server, tmp_path: Path
) -> None:
    phone = await server.guest()
    svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    _, done = await upload(server, phone, svg)
    assert (done.status_code, done.json()["code"]) == (422, "picture_type_mismatch")
    assert stored_objects(tmp_path) == []


async def test_completing_twice_answers_the_same(server: Server) -> None:
    phone = await server.guest()
    key, first = await upload(server, phone, picture())
    second = await server.client.post(f"/api/uploads/{key}/complete", headers=phone.headers)
    assert second.content == first.content


async def test_the_same_photo_twice_is_stored_once(server: Server, tmp_path: Path) -> None:
    phone, other = await server.guest(), await server.guest()
    first, _ = await upload(server, phone, picture())
    second, _ = await upload(server, phone, picture())
    third, _ = await upload(server, other, picture())
    assert stored_objects(tmp_path) == sorted([f"media/{first}", f"media/{third}"])
    one, two = [
        await server.client.get(f"/api/media/{key}", headers=phone.headers)
        for key in (first, second)
    ]
    assert one.content == two.content
    async with server.platform.database.read() as tx:
        stored, _, _ = await service.usage(tx, await user_no_of(server, phone))
    assert stored == len(one.content)


async def test_the_quota_counts_stored_and_announced_bytes(
    database_url: str, tmp_path: Path
) -> None:
    data = picture()
    async with running(database_url, tmp_path, media_quota_bytes=str(len(data) * 2)) as server:
        phone, other = await server.guest(), await server.guest()
        await upload(server, phone, data)
        assert (await announce(server, phone, data)).status_code == 201
        full = await announce(server, phone, data)
        assert (full.status_code, full.json()["code"]) == (403, "quota_exceeded")
        assert (await announce(server, other, data)).status_code == 201


async def test_uploads_never_completed_are_swept_after_a_day(
    server: Server, tmp_path: Path
) -> None:
    phone = await server.guest()
    ticket = (await announce(server, phone, picture())).json()
    await server.client.put(path_of(ticket["upload_url"]), content=picture())
    assert len(stored_objects(tmp_path)) == 1
    server.clock.advance(hours=23)
    await service.sweep(server.platform, server.clock())
    assert len(stored_objects(tmp_path)) == 1
    server.clock.advance(hours=1)
    await service.sweep(server.platform, server.clock())
    assert stored_objects(tmp_path) == []
    await renew(server, phone)
    gone = await server.client.post(f"/api/uploads/{ticket['key']}/complete", headers=phone.headers)
    assert gone.status_code == 404


async def test_a_photo_nobody_shows_is_swept_after_a_week(server: Server, tmp_path: Path) -> None:
    phone = await server.guest()
    user_no = await user_no_of(server, phone)
    loose, _ = await upload(server, phone, picture())
    twin, _ = await upload(server, phone, picture())
    dog, _ = await upload(server, phone, picture(size=(100, 90)), kind="dog_photo")
    async with server.platform.database.transaction() as tx:
        await tx.execute(
            "INSERT INTO dog (dog_id, user_no, name, photo_key, created_ms, changed_ms) "
            "VALUES ('d', ?, 'Bori', ?, 0, 0)",
            user_no, dog,
        )  # fmt: skip
    server.clock.advance(days=6)
    async with server.platform.database.transaction() as tx:
        await service.touch(tx, user_no, [twin], server.clock())
    server.clock.advance(days=1)
    await service.sweep(server.platform, server.clock())
    # The loose one is gone, its bytes stay for the equal photo that came into use a day ago.
    assert stored_objects(tmp_path) == sorted([f"media/{loose}", f"media/{dog}"])
    async with server.platform.database.read() as tx:
        assert await service.owned_photos(tx, user_no, [loose, twin, dog]) == {twin, dog}
        deleted = await tx.fetch_value("SELECT row_id FROM feed_row WHERE deleted = 1")
    assert deleted == loose
    server.clock.advance(days=7)
    await service.sweep(server.platform, server.clock())
    assert stored_objects(tmp_path) == [f"media/{dog}"]


async def test_objects_that_no_row_names_are_swept_once_a_day(
    server: Server, tmp_path: Path
) -> None:
    phone = await server.guest()
    key, _ = await upload(server, phone, picture())
    await server.platform.objects.put("media/" + "z" * 32, b"left by a crash")
    await server.platform.objects.put("incoming/" + "y" * 32, b"left by a crash")
    async with server.platform.database.transaction() as tx:
        await tx.execute("UPDATE media_object SET check_ms = ?", 5_000_000_000_000)
    # The files are as old as the real clock says; seen from here they are older than a day.
    await service.sweep(server.platform, 4_000_000_000_000)
    assert stored_objects(tmp_path) == [f"media/{key}"]


async def test_erasing_names_every_object_of_the_user(server: Server, tmp_path: Path) -> None:
    phone, other = await server.guest(), await server.guest()
    await upload(server, phone, picture())
    kept, _ = await upload(server, other, picture())
    ticket = (await announce(server, phone, picture())).json()
    await server.client.put(path_of(ticket["upload_url"]), content=picture())
    async with server.platform.database.transaction() as tx:
        keys = await service.erase(tx, await user_no_of(server, phone), server.clock())
    for key in keys:
        await server.platform.objects.delete(key)
    assert stored_objects(tmp_path) == [f"media/{kept}"]


async def test_a_store_that_can_sign_takes_the_upload_itself(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "ap-northeast-2",
        "AWS_ENDPOINT": "http://127.0.0.1:9",
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    async with running(database_url, tmp_path, object_store_url="s3://bucket/folder") as server:
        phone = await server.guest()
        ticket = (await announce(server, phone, picture())).json()
    url = urlsplit(ticket["upload_url"])
    assert url.netloc == "127.0.0.1:9"
    assert url.path == f"/bucket/folder/incoming/{ticket['key']}"
    assert "X-Amz-Signature=" in url.query
    assert "X-Amz-Expires=900" in url.query


async def test_a_store_that_fails_is_an_error_the_client_may_retry(
    server: Server, tmp_path: Path
) -> None:
    phone = await server.guest()
    key, _ = await upload(server, phone, picture())
    ticket = (await announce(server, phone, picture())).json()
    (tmp_path / "media" / "media" / key).unlink()
    (tmp_path / "media" / "media" / key).mkdir()
    (tmp_path / "media" / "incoming").rmdir()
    (tmp_path / "media" / "incoming").write_text("a file where a folder should be")
    sent = await server.client.put(path_of(ticket["upload_url"]), content=picture())
    assert (sent.status_code, sent.json()["code"]) == (503, "storage_unavailable")
    assert sent.headers["retry-after"] == "5"
