"""Clips for missions, faces and walks: uploaded, checked, stripped, linked, kept and swept."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sync_server.media import limits, service
from sync_server.media.clips import problem_code
from sync_server.media.kinds import KINDS
from sync_server.media.scratch import scratch_folder, scratch_root
from sync_server.platform import video_check
from sync_server.platform.errors import TITLES, Problem
from sync_server.platform.signed_links import named_key, signed_object
from tests.support.accounts import user_no_of
from tests.support.app import Phone, Server, running
from tests.support.hostile_uploads import PICTURES, VIDEOS, HostileUpload, good_mp4, good_webm
from tests.support.mini_s3 import BUCKET, MiniS3, mini_s3
from tests.support.videos import corner_picture, grey_pictures, write_video
from tests.sync_server.test_media import path_of, picture, stored_objects
from tests.sync_server.test_video_check import small_children, with_gps

pytestmark = pytest.mark.anyio
DAY_MS = 86_400_000


@pytest.fixture
async def server(database_url: str, tmp_path: Path) -> AsyncIterator[Server]:
    async with running(database_url, tmp_path / "data", rate_limits="off") as running_server:
        yield running_server


async def announce(
    server: Server, phone: Phone, data: bytes, kind: str = "mission_clip", **fields: Any
) -> httpx.Response:
    body = {"kind": kind, "content_type": "video/mp4", "size_bytes": len(data)} | fields
    return await server.client.post("/api/uploads", json=body, headers=phone.headers)


async def upload(
    server: Server, phone: Phone, data: bytes, kind: str = "mission_clip", **fields: Any
) -> tuple[str, httpx.Response]:
    answer = await announce(server, phone, data, kind, **fields)
    assert answer.status_code == 201, answer.text
    ticket = answer.json()
    sent = await server.client.put(
        path_of(ticket["upload_url"]), content=data, headers=ticket["headers"]
    )
    assert sent.status_code == 204, sent.text
    done = await server.client.post(f"/api/uploads/{ticket['key']}/complete", headers=phone.headers)
    return ticket["key"], done


def objects(server: Server) -> list[str]:
    return stored_objects(Path(server.platform.settings.data_dir))


def scratch(server: Server) -> list[Path]:
    root = scratch_root(server.platform)
    return list(root.rglob("*")) if root.exists() else []


# Uploads ----------------------------------------------------------------------------------------


async def test_a_clip_is_stored_without_where_it_was_taken(server: Server, tmp_path: Path) -> None:
    phone = await server.guest()
    data = with_gps(tmp_path, "phone.mov").read_bytes()
    assert b"37.5665" in data and b"iPhone" in data
    key, done = await upload(
        server, phone, data, "face_clip", content_type="video/quicktime",
        sha256=hashlib.sha256(data).hexdigest(),
    )  # fmt: skip
    assert done.status_code == 200, done.text
    document = done.json()
    assert (document["width_px"], document["height_px"]) == (96, 160)  # it was filmed upright
    assert (document["kind"], document["content_type"]) == ("face_clip", "video/mp4")
    assert document["duration_ms"] == pytest.approx(667, abs=2)
    answer = await server.client.get(f"/api/media/{key}", headers=phone.headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-disposition"] == 'inline; filename="clip.mp4"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert hashlib.sha256(answer.content).hexdigest() == document["sha256"]
    for secret in (b"37.56", b"iPhone", b"our home", b"2026"):
        assert secret not in answer.content
    assert objects(server) == [f"media/{key}"] and scratch(server) == []
    again = await server.client.post(f"/api/uploads/{key}/complete", headers=phone.headers)
    assert again.content == done.content


async def test_every_kind_of_clip_has_its_length_and_says_it(
    server: Server, tmp_path: Path
) -> None:
    phone = await server.guest()
    eight_s = write_video(tmp_path / "eight.mp4", grey_pictures(240)).read_bytes()
    for kind, seconds, taken in (
        ("mission_clip", 5, False), ("face_clip", 5, False), ("gait_clip", 10, True),
    ):  # fmt: skip
        ticket = (await announce(server, phone, eight_s, kind)).json()
        assert ticket["limits"]["max_duration_s"] == seconds
        assert ticket["limits"]["max_bytes"] == KINDS[kind].max_bytes
        _, done = await upload(server, phone, eight_s, kind)
        if taken:
            assert done.status_code == 200, done.text
            assert done.json()["duration_ms"] == pytest.approx(8000, abs=40)
        else:
            assert (done.status_code, done.json()["code"]) == (422, "video_too_long")


@pytest.mark.parametrize(
    ("kind", "fields", "wrong"),
    [
        ("mission_clip", {"content_type": "image/jpeg"}, "content_type"),
        ("diary_photo", {"content_type": "video/mp4"}, "content_type"),
        ("face_photo", {"content_type": "video/mp4"}, "content_type"),
        ("mission_clip", {"size_bytes": 40 * 1024**2 + 1}, "size_bytes"),
        ("gait_clip", {"size_bytes": 80 * 1024**2 + 1}, "size_bytes"),
        ("diary_photo", {"content_type": "image/png", "size_bytes": 10 * 1024**2 + 1},
         "size_bytes"),
        ("film", {}, "kind"),
        ("mission_clip", {"content_type": "video/x-matroska"}, "content_type"),
    ],
)  # fmt: skip
async def test_a_kind_takes_only_its_own_types_and_sizes(
    server: Server, kind: str, fields: dict[str, Any], wrong: str
) -> None:
    phone = await server.guest()
    answer = await announce(server, phone, b"x", kind, **fields)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")
    assert wrong in answer.text


async def test_a_face_picture_is_taken_but_is_no_photo_of_the_diary(
    server: Server, tmp_path: Path
) -> None:
    phone = await server.guest()
    user_no = await user_no_of(server, phone)
    face, done = await upload(server, phone, picture(), "face_photo", content_type="image/jpeg")
    clip, _ = await upload(server, phone, good_mp4(tmp_path).read_bytes())
    assert done.status_code == 200 and "duration_ms" not in done.json()
    async with server.platform.database.read() as tx:
        assert await tx.fetch_value("SELECT COUNT(*) FROM feed_row") == 0
        assert await service.owned_photos(tx, user_no, [face, clip]) == set()
        assert await service.owned_mission_clips(tx, user_no, [face, clip]) == {clip}
        assert await service.ready(tx, user_no, [face, clip]) == {face, clip}
    dog = await server.client.post(
        "/api/dogs", json={"name": "Bori", "photo_key": clip}, headers=phone.headers
    )
    assert dog.status_code in (400, 422)


async def test_an_upload_is_streamed_and_ends_at_what_was_announced(server: Server) -> None:
    phone = await server.guest()
    announced = 3_000_000
    ticket = (await announce(server, phone, b"x" * announced)).json()
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1_000):
            sent += 65_536
            yield b"x" * 65_536

    answer = await server.client.put(path_of(ticket["upload_url"]), content=endless())
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert sent < announced + 1_000_000
    assert objects(server) == [] and scratch(server) == []


async def test_more_than_any_kind_takes_is_not_read(server: Server, tmp_path: Path) -> None:
    phone = await server.guest()
    ticket = (await announce(server, phone, b"x" * 100)).json()
    answer = await server.client.put(
        path_of(ticket["upload_url"]), content=b"x", headers={"content-length": str(10**9)}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("hostile", VIDEOS, ids=lambda hostile: hostile.name)
async def test_a_hostile_clip_is_refused_with_its_code_and_leaves_nothing(
    hostile: HostileUpload, tmp_path: Path
) -> None:
    async with running(
        f"sqlite:///{tmp_path / 'db.sqlite'}", tmp_path / "data", rate_limits="off"
    ) as server:
        phone = await server.guest()
        data = hostile.make(tmp_path).read_bytes()
        if not data:  # an upload of nothing can't be announced
            assert (await announce(server, phone, data)).status_code == 400
            return
        # The type that it pretends to be; what is no such thing is then of another type.
        _, done = await upload(server, phone, data, "gait_clip", content_type=hostile.content_type)
        assert (done.status_code, done.json()["code"]) == (422, problem_code(hostile.code))
        assert done.json()["title"] == TITLES[problem_code(hostile.code)][1]
        assert objects(server) == [] and scratch(server) == []
        assert small_children(700_000)
        _, good = await upload(server, phone, good_mp4(tmp_path, "after.mp4").read_bytes())
        assert good.status_code == 200


@pytest.mark.parametrize("hostile", PICTURES, ids=lambda hostile: hostile.name)
async def test_a_hostile_face_picture_is_refused_with_its_code_and_leaves_nothing(
    hostile: HostileUpload, tmp_path: Path
) -> None:
    async with running(
        f"sqlite:///{tmp_path / 'db.sqlite'}", tmp_path / "data", rate_limits="off"
    ) as server:
        phone = await server.guest()
        data = hostile.make(tmp_path).read_bytes()
        _, done = await upload(server, phone, data, "face_photo", content_type=hostile.content_type)
        assert (done.status_code, done.json()["code"]) == (422, hostile.code)
        assert objects(server) == [] and scratch(server) == []
        assert small_children(1_100_000)
        _, good = await upload(server, phone, picture(), "face_photo", content_type="image/jpeg")
        assert good.status_code == 200


async def test_another_length_hash_or_type_than_announced_is_refused(
    server: Server, tmp_path: Path
) -> None:
    phone = await server.guest()
    data = good_mp4(tmp_path).read_bytes()
    ticket = (await announce(server, phone, data)).json()
    complete = f"/api/uploads/{ticket['key']}/complete"
    nothing = await server.client.post(complete, headers=phone.headers)
    assert (nothing.status_code, nothing.json()["code"]) == (409, "upload_incomplete")
    await server.client.put(path_of(ticket["upload_url"]), content=data[:-1])
    short = await server.client.post(complete, headers=phone.headers)
    assert (short.status_code, short.json()["code"]) == (422, "upload_mismatch")
    await server.client.put(path_of(ticket["upload_url"]), content=data)
    assert (await server.client.post(complete, headers=phone.headers)).status_code == 200
    _, other = await upload(server, phone, data, sha256="0" * 64)
    assert other.json()["code"] == "upload_mismatch"
    _, webm = await upload(server, phone, good_webm(tmp_path).read_bytes())
    assert webm.json()["code"] == "video_wrong_container"


async def test_two_completions_at_once_make_one_clip(server: Server, tmp_path: Path) -> None:
    phone = await server.guest()
    data = good_mp4(tmp_path).read_bytes()
    ticket = (await announce(server, phone, data)).json()
    await server.client.put(path_of(ticket["upload_url"]), content=data)
    complete = f"/api/uploads/{ticket['key']}/complete"
    one, two = await asyncio.gather(
        *(server.client.post(complete, headers=phone.headers) for _ in range(2))
    )
    codes = sorted(answer.status_code for answer in (one, two))
    # The slower of the two may find the bytes taken away already.
    assert codes in ([200, 200], [200, 409])
    assert objects(server) == [f"media/{ticket['key']}"] and scratch(server) == []


# The same clip twice ----------------------------------------------------------------------------


async def test_the_same_clip_twice_is_checked_once_and_lies_under_both_keys(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone, other = await server.guest(), await server.guest()
    data = good_mp4(tmp_path).read_bytes()
    first, one = await upload(server, phone, data)
    # A second check would not find a program to run.
    monkeypatch.setattr(video_check, "_CHILD", tmp_path / "nothing.py")
    second, two = await upload(server, phone, data)
    _, refused = await upload(server, other, data)
    assert refused.json()["code"] == "video_broken"
    assert two.json() == one.json() | {"key": second, "created_ms": two.json()["created_ms"]}
    # The AI role looks for the file of a link in the store, by the key in the link.
    assert objects(server) == sorted([f"media/{first}", f"media/{second}"])
    bytes_of = [
        (await server.client.get(f"/api/media/{key}", headers=phone.headers)).content
        for key in (first, second)
    ]
    assert bytes_of[0] == bytes_of[1]
    async with server.platform.database.read() as tx:
        stored, _, _ = await service.usage(tx, await user_no_of(server, phone))
    assert stored == 2 * one.json()["size_bytes"]


async def test_a_long_clip_does_not_slip_through_as_an_equal_short_kind(
    server: Server, tmp_path: Path
) -> None:
    phone = await server.guest()
    data = write_video(tmp_path / "eight.mp4", grey_pictures(240)).read_bytes()
    _, gait = await upload(server, phone, data, "gait_clip")
    _, mission = await upload(server, phone, data, "mission_clip")
    assert gait.status_code == 200
    assert (mission.status_code, mission.json()["code"]) == (422, "video_too_long")


# Links ------------------------------------------------------------------------------------------


async def test_only_the_owner_and_who_holds_a_fresh_link_see_a_clip(
    server: Server, tmp_path: Path
) -> None:
    owner, other = await server.guest(), await server.guest()
    key, _ = await upload(server, owner, good_mp4(tmp_path).read_bytes())
    assert (await server.client.get(f"/api/media/{key}")).status_code == 401
    for method, path in (("GET", f"/api/media/{key}"), ("POST", f"/api/media/{key}/link")):
        answer = await server.client.request(method, path, headers=other.headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    link = await server.client.post(f"/api/media/{key}/link", headers=owner.headers)
    assert (await server.client.get(path_of(link.json()["url"]))).status_code == 200
    server.clock.advance(ms=limits.MEDIA_LINK_MS)
    assert (await server.client.get(path_of(link.json()["url"]))).status_code == 404


@pytest.mark.parametrize(
    ("asked", "status", "first", "last"),
    [("bytes=0-", 206, 0, None), ("bytes=10-19", 206, 10, 20), ("bytes=-7", 206, -7, None),
     ("bytes=0-999999999", 206, 0, None), ("bytes=5-4", 200, 0, None), ("", 200, 0, None),
     ("bytes=0-1,3-4", 200, 0, None), ("bytes=-", 200, 0, None), ("lines=1-2", 200, 0, None),
     ("bytes=999999999-", 200, 0, None)],
)  # fmt: skip
async def test_a_player_may_ask_for_a_part(
    server: Server, tmp_path: Path, asked: str, status: int, first: int, last: int | None
) -> None:
    phone = await server.guest()
    key, _ = await upload(server, phone, good_mp4(tmp_path).read_bytes())
    whole = (await server.client.get(f"/api/media/{key}", headers=phone.headers)).content
    part = await server.client.get(f"/api/media/{key}", headers=phone.headers | {"Range": asked})
    assert (part.status_code, part.content) == (status, whole[first:last])
    assert part.headers["content-length"] == str(len(part.content))
    if status == 206:
        start = first % len(whole)
        assert part.headers["content-range"].startswith(f"bytes {start}-")
        assert part.headers["content-range"].endswith(f"/{len(whole)}")


async def test_other_domains_open_only_the_users_own_media(server: Server, tmp_path: Path) -> None:
    owner, other = await server.guest(), await server.guest()
    mine, theirs = await user_no_of(server, owner), await user_no_of(server, other)
    data = good_mp4(tmp_path).read_bytes()
    await upload(server, owner, data)
    twin, done = await upload(server, owner, data)
    pending = (await announce(server, owner, data)).json()["key"]
    platform, public = server.platform, server.platform.settings.public_url
    link = (await server.client.post(f"/api/media/{twin}/link", headers=owner.headers)).json()
    async with platform.database.transaction() as tx:
        for said in (twin, f"/api/media/{twin}", f"{public}/api/media/{twin}", link["url"],
                     f"{public}/api/media/{twin}#t=1"):  # fmt: skip
            found = await service.open_own_media(platform, tx, mine, said)
            assert found is not None and found.key == twin
            assert (found.sha256, found.kind) == (done.json()["sha256"], "mission_clip")
            opened = signed_object(platform.signer, public, found.url)
            assert opened == f"media/{twin}" and await platform.objects.size(opened)
            with pytest.raises(Problem, match="not_found"):
                await service.open_own_media(platform, tx, theirs, said)
        for said in (pending, "a" * 32, f"{public}/api/media/{'a' * 32}"):
            with pytest.raises(Problem, match="not_found"):
                await service.open_own_media(platform, tx, mine, said)
        for said in ("https://cdn.example.com/sit.mp4", "", "sit.mp4", f"{public}/api/me",
                     f"https://evil.example.com/api/media/{twin}", f"{public}.evil/{twin}",
                     f"{public}/api/media/{twin}/link"):  # fmt: skip
            assert await service.open_own_media(platform, tx, mine, said) is None
    assert found is not None
    assert (await server.client.get(path_of(found.url))).status_code == 200


async def test_a_link_opens_nothing_once_changed_or_late(server: Server, tmp_path: Path) -> None:
    signer, public = server.platform.signer, server.platform.settings.public_url
    key, expires = "k" * 32, server.clock() + 1000
    good = f"{public}/api/media/{key}?expires={expires}&signature="
    url = good + signer.sign("media", key, expires)
    assert signed_object(signer, public, url) == f"media/{key}"
    for wrong in (
        good, url[:-1], url + "0", url.replace("/media/k", "/media/j"), url + "&signature=x",
        url.replace(f"expires={expires}", f"expires={expires + 1}"), url + f"&expires={expires}",
        good + signer.sign("upload", key, expires), url.replace(public, "https://evil.example.com"),
        url.replace(public, f"{public}@evil.example.com"), url.replace("expires=", "expires=%2B"),
        url.replace("/api/media/", "/api/media/../media/"), url.replace("?", "/?"), "", public,
        f"{public}/api/media/{key}", f"{public}/api/media/{key}?expires=" + "9" * 400,
        url + "".join(f"&x{n}=1" for n in range(10)), url.replace("http://", "http://u:p@"),
    ):  # fmt: skip
        assert signed_object(signer, public, wrong) is None, wrong
    server.clock.advance(ms=1000)
    assert signed_object(signer, public, url) is None
    assert named_key(public, url) == key


# A clip in the body of a request ----------------------------------------------------------------


async def in_parts(data: bytes, size: int = 10_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def test_a_clip_may_come_in_a_requests_own_body(server: Server, tmp_path: Path) -> None:
    phone = await server.guest()
    user_no = await user_no_of(server, phone)
    data = with_gps(tmp_path, "walk.mov").read_bytes()
    key = await service.take_clip(server.platform, user_no, "gait_clip", in_parts(data))
    again = await service.take_clip(server.platform, user_no, "gait_clip", in_parts(data))
    answer = await server.client.get(f"/api/media/{key}", headers=phone.headers)
    assert answer.status_code == 200 and b"37.56" not in answer.content
    assert again != key and scratch(server) == []
    assert objects(server) == sorted([f"media/{key}", f"media/{again}"])
    # Announced as QuickTime, it is still the same walk.
    third, done = await upload(server, phone, data, "gait_clip", content_type="video/quicktime")
    assert done.status_code == 200 and third not in (key, again)
    fourth = await service.take_clip(server.platform, user_no, "gait_clip", in_parts(data))
    assert fourth != third and len(objects(server)) == 4


async def test_a_hostile_body_is_refused_and_leaves_nothing(server: Server, tmp_path: Path) -> None:
    phone = await server.guest()
    user_no = await user_no_of(server, phone)

    async def refused(stream: AsyncIterator[bytes]) -> str:
        with pytest.raises(Problem) as error:
            await service.take_clip(server.platform, user_no, "mission_clip", stream)
        return error.value.code

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"\0" * 1_000_000

    assert await refused(in_parts(b"")) == "not_a_video"
    assert await refused(in_parts(b"<html></html>" * 9)) == "not_a_video"
    assert await refused(endless()) == "too_large"
    long = write_video(tmp_path / "long.mp4", grey_pictures(200)).read_bytes()
    assert await refused(in_parts(long)) == "video_too_long"
    assert objects(server) == [] and scratch(server) == []
    async with server.platform.database.read() as tx:
        assert await service.usage(tx, user_no) == (0, 0, 0)


async def test_a_body_over_the_quota_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    data = write_video(tmp_path / "a.mp4", [corner_picture()] * 30).read_bytes()
    async with running(
        f"sqlite:///{tmp_path / 'db.sqlite'}", tmp_path / "data", media_quota_bytes="500"
    ) as server:
        user_no = await user_no_of(server, await server.guest())
        with pytest.raises(Problem, match="quota_exceeded"):
            await service.take_clip(server.platform, user_no, "gait_clip", in_parts(data))
        assert objects(server) == [] and scratch(server) == []


# Kept and swept ---------------------------------------------------------------------------------


async def test_clips_are_kept_their_kinds_time_after_they_were_last_used(
    server: Server, tmp_path: Path
) -> None:
    phone = await server.guest()
    user_no = await user_no_of(server, phone)
    data = good_mp4(tmp_path).read_bytes()
    mission, _ = await upload(server, phone, data, "mission_clip")
    used, _ = await upload(server, phone, good_mp4(tmp_path, "b.mp4", 31).read_bytes())
    gait, _ = await upload(server, phone, data, "gait_clip")
    server.clock.advance(days=29)
    await service.sweep(server.platform, server.clock())
    assert len(objects(server)) == 3
    async with server.platform.database.transaction() as tx:
        assert await service.open_own_media(server.platform, tx, user_no, used) is not None
    server.clock.advance(days=1)
    await service.sweep(server.platform, server.clock())
    assert objects(server) == sorted([f"media/{used}", f"media/{gait}"])
    server.clock.advance(days=29)
    await service.sweep(server.platform, server.clock())
    assert objects(server) == [f"media/{gait}"]
    server.clock.advance(days=31)
    await service.sweep(server.platform, server.clock())
    assert objects(server) == []
    async with server.platform.database.read() as tx:
        assert await tx.fetch_value("SELECT COUNT(*) FROM media_object") == 0
        assert await tx.fetch_value("SELECT COUNT(*) FROM feed_row") == 0
    assert mission


async def test_what_a_crash_left_is_swept(server: Server, tmp_path: Path) -> None:
    import os

    root = scratch_root(server.platform)
    async with scratch_folder(server.platform) as folder:
        (folder / "upload").write_bytes(b"x")
        left = root / "media-left"
        left.mkdir()
        (left / "upload").write_bytes(b"x")
        os.utime(left, (1, 1))
        await service.sweep(server.platform, server.clock())
        assert [path.name for path in root.iterdir()] == [folder.name]
    assert scratch(server) == []


async def test_erasing_names_every_clip_of_the_user(server: Server, tmp_path: Path) -> None:
    phone, other = await server.guest(), await server.guest()
    data = good_mp4(tmp_path).read_bytes()
    for kind in ("mission_clip", "face_clip", "gait_clip"):
        await upload(server, phone, data, kind)
    kept, _ = await upload(server, other, data)
    async with server.platform.database.transaction() as tx:
        keys = await service.erase(tx, await user_no_of(server, phone), server.clock())
    for key in keys:
        await server.platform.objects.delete(key)
    assert objects(server) == [f"media/{kept}"]


# S3 ---------------------------------------------------------------------------------------------


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Any:
    from sync_server.media.incoming import _store

    with mini_s3() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        _store.cache_clear()  # the address of the store is another one in each test
        yield server
        _store.cache_clear()


async def test_a_store_that_can_sign_takes_clips_itself(s3: MiniS3, tmp_path: Path) -> None:
    # Larger than a part, so that it goes to the store in several.
    import numpy as np

    noise = np.random.default_rng(3).integers(0, 255, (240, 320, 3), np.uint8)
    images = [np.roll(noise, index * 7, axis=1) for index in range(120)]
    data = write_video(tmp_path / "noise.mp4", images, options={"qp": "2"}).read_bytes()
    assert 6_000_000 < len(data) < 40_000_000
    async with running(
        f"sqlite:///{tmp_path / 'db.sqlite'}", tmp_path / "data", rate_limits="off",
        object_store_url=f"s3://{BUCKET}/app",
    ) as server:  # fmt: skip
        phone = await server.guest()
        ticket = (await announce(server, phone, data)).json()
        async with httpx.AsyncClient() as client:  # to the store, not to us
            assert ticket["upload_url"].startswith(s3.environment["AWS_ENDPOINT"])
            sent = await client.put(
                ticket["upload_url"], content=data, headers=ticket["headers"], timeout=60
            )
            assert sent.status_code == 200
        assert set(s3.objects) == {f"app/incoming/{ticket['key']}"}
        complete = f"/api/uploads/{ticket['key']}/complete"
        done = await server.client.post(complete, headers=phone.headers, timeout=60)
        assert done.status_code == 200, done.text
        assert set(s3.objects) == {f"app/media/{ticket['key']}"}
        whole = await server.client.get(f"/api/media/{ticket['key']}", headers=phone.headers)
        assert hashlib.sha256(whole.content).hexdigest() == done.json()["sha256"]
        part = await server.client.get(
            f"/api/media/{ticket['key']}", headers=phone.headers | {"Range": "bytes=100-199"}
        )
        assert part.content == whole.content[100:200]
        # A presigned address limits nothing: more than announced is not even read.
        short = (await announce(server, phone, data[:1000])).json()
        async with httpx.AsyncClient() as client:
            await client.put(short["upload_url"], content=data, timeout=60)
        refused = await server.client.post(
            f"/api/uploads/{short['key']}/complete", headers=phone.headers
        )
        assert (refused.status_code, refused.json()["code"]) == (422, "upload_mismatch")
        assert set(s3.objects) == {f"app/media/{ticket['key']}"} and scratch(server) == []
        taken = await service.take_clip(
            server.platform, await user_no_of(server, phone), "gait_clip", in_parts(data)
        )
        assert f"app/media/{taken}" in s3.objects
        again = await service.take_clip(
            server.platform, await user_no_of(server, phone), "gait_clip", in_parts(data)
        )
        assert s3.objects[f"app/media/{again}"] == s3.objects[f"app/media/{taken}"]
