"""The picture of a turn: fetched by the SSRF rules, at most 1024 px, JPEG, without metadata."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from sync_server.ai.fetching import MediaFetcher
from sync_server.ai.vet import pictures as vet_pictures
from sync_server.ai.vet.contract import ChatRefused
from sync_server.ai.vet.pictures import FetchedPictures
from sync_server.platform.object_store import ObjectStore
from sync_server.platform.settings import Settings
from sync_server.platform.signed_links import media_link, object_key
from sync_server.platform.tokens import TokenSigner
from tests.support.app import START_MS
from tests.support.static_server import StaticServer, serving
from tests.sync_server.test_media import photo_with_gps, picture

pytestmark = pytest.mark.anyio


@pytest.fixture
def host(tmp_path: Path) -> Iterator[StaticServer]:
    (tmp_path / "host").mkdir()
    with serving(tmp_path / "host") as made:
        yield made


def put(host: StaticServer, name: str, content: bytes) -> str:
    (host.folder / name).write_bytes(content)
    return f"{host.address}/{name}"


def settings_for(folder: Path, host: StaticServer | None = None) -> Settings:
    return Settings(
        data_dir=str(folder), secret_key="k" * 40, public_url="https://daengdong.example",
        fetch_allow_hosts="" if host is None else host.address.removeprefix("http://"),
    )  # fmt: skip


def reader(
    folder: Path, host: StaticServer | None = None, **more: object
) -> tuple[FetchedPictures, ObjectStore, TokenSigner]:
    settings = settings_for(folder, host)
    objects = ObjectStore(settings.object_store)
    signer = TokenSigner(settings.secret_key, 900, lambda: START_MS)
    return FetchedPictures(MediaFetcher(settings, objects, signer), **more), objects, signer  # type: ignore[arg-type]


async def test_a_large_photo_becomes_1024_px_upright_without_metadata(
    host: StaticServer, tmp_path: Path
) -> None:
    pictures, _, _ = reader(tmp_path, host)
    read = await pictures.read(put(host, "dog.jpg", photo_with_gps()))
    seen = Image.open(io.BytesIO(read.jpeg))
    assert seen.format == "JPEG" and seen.size == (read.width_px, read.height_px)
    assert not seen.getexif() and "exif" not in seen.info and b"GPS" not in read.jpeg
    big = await pictures.read(put(host, "big.jpg", picture(size=(4032, 3024))))
    assert (big.width_px, big.height_px) == (1024, 768)


async def test_what_is_transparent_is_laid_on_white(host: StaticServer, tmp_path: Path) -> None:
    made = io.BytesIO()
    Image.new("RGBA", (40, 40), (0, 0, 0, 0)).save(made, "PNG")
    pictures, _, _ = reader(tmp_path, host)
    read = await pictures.read(put(host, "clear.png", made.getvalue()))
    seen = Image.open(io.BytesIO(read.jpeg)).convert("RGB")
    assert min(seen.getpixel((20, 20))) > 245  # type: ignore[type-var, arg-type]


async def test_a_signed_link_of_ours_is_read_from_the_store(tmp_path: Path) -> None:
    pictures, objects, signer = reader(tmp_path)
    key = "a" * 32
    await objects.put(object_key(key), picture(size=(800, 600)))
    link = media_link(signer, "https://daengdong.example", key, START_MS + 60_000)
    read = await pictures.read(link)
    assert (read.width_px, read.height_px) == (800, 600)
    with pytest.raises(ChatRefused):
        await pictures.read(link.replace("signature=", "signature=0"))


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1/a.jpg", "https://localhost/a.jpg", "https://169.254.169.254/latest",
     "https://[::1]/a.jpg", "file:///etc/passwd", "ftp://cdn.example.com/a.jpg", "not a url",
     "https://user:pw@cdn.example.com/a.jpg"],
)  # fmt: skip
async def test_no_private_address_is_fetched(url: str, tmp_path: Path) -> None:
    pictures, _, _ = reader(tmp_path)
    with pytest.raises(ChatRefused) as refused:
        await pictures.read(url)
    assert refused.value.code == "IMAGE_FETCH_FAILED"
    assert url not in str(refused.value.details)


async def test_what_is_no_picture_or_a_hostile_one_is_refused(
    host: StaticServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vet_pictures, "MAX_PICTURE_BYTES", 100_000)
    pictures, _, _ = reader(tmp_path, host)
    put(host, "page.jpg", b"<html>no</html>" * 9)
    put(host, "cut.jpg", picture()[:300])
    put(host, "poly.jpg", picture() + b"PK\x03\x04 and a zip file")
    put(host, "fat.jpg", picture() + bytes(100_000))
    reasons = {}
    for name in ("page.jpg", "cut.jpg", "poly.jpg", "fat.jpg", "missing.jpg"):
        with pytest.raises(ChatRefused) as refused:
            await pictures.read(f"{host.address}/{name}")
        assert refused.value.code == "IMAGE_FETCH_FAILED"
        reasons[name] = refused.value.details["reason"]
    assert reasons == {
        "page.jpg": "wrong_type", "cut.jpg": "picture_broken", "poly.jpg": "picture_polyglot",
        "fat.jpg": "too_large", "missing.jpg": "fetch_failed",
    }  # fmt: skip


async def test_the_same_content_is_decoded_once_within_minutes(
    host: StaticServer, tmp_path: Path
) -> None:
    now = [0.0]
    pictures, _, _ = reader(tmp_path, host, monotonic=lambda: now[0])
    one = await pictures.read(put(host, "one.jpg", picture()))
    assert await pictures.read(put(host, "two.jpg", picture())) is one
    assert await pictures.read(put(host, "one.jpg", picture(size=(64, 64)))) is not one
    now[0] = 601.0
    assert await pictures.read(f"{host.address}/two.jpg") is not one
