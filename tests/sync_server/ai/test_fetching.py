"""Where a job's media come from: our own links without the network, all others by the rules."""

from pathlib import Path

import pytest

from sync_server.platform.artifact_links import artifact_key, artifact_url
from sync_server.platform.media_types import PICTURE_TYPES, VIDEO_TYPES
from sync_server.platform.safe_fetch import FetchFailed, FetchRefused
from tests.support.clips import FACE, SIT
from tests.support.run_pipeline import NOW_MS, Bench, OneWorker, bench

pytestmark = pytest.mark.anyio


async def fetched(made: Bench, url: str, into: Path, *, max_bytes: int = 10**7) -> str:
    return (
        await made.services.fetcher.fetch(url, into, media_types=VIDEO_TYPES, max_bytes=max_bytes)
    ).sha256


async def test_our_own_links_are_read_from_the_store(tmp_path: Path, cpu: OneWorker) -> None:
    async with bench(tmp_path, cpu) as made:
        url = await made.put_media(SIT)
        found = await made.services.fetcher.fetch(
            url, tmp_path / "video", media_types=VIDEO_TYPES, max_bytes=10**7
        )
        assert (found.size_bytes, found.media_type) == (SIT.stat().st_size, "video/mp4")
        assert (tmp_path / "video").read_bytes() == SIT.read_bytes()
        key = artifact_key("job.1:a", "input.mp4")
        await made.services.objects.put(key, FACE.read_bytes())
        signer, base = made.services.signer, made.services.settings.public_url
        address = artifact_url(signer, base, key, NOW_MS)
        assert await fetched(made, address, tmp_path / "other") != found.sha256


async def test_links_that_we_did_not_sign_do_not_reach_the_store(
    tmp_path: Path, cpu: OneWorker
) -> None:
    async with bench(tmp_path, cpu) as made:
        url = await made.put_media(SIT, "a" * 32)
        await made.put_media(FACE, "b" * 32)
        wrong = [
            url.replace("a" * 32, "b" * 32),
            url.replace("signature=", "signature=0"),
            made.link("a" * 32, NOW_MS - 1),
            url.partition("?")[0],
            url.replace("/api/media/", "/api/artifacts/"),
            url.replace("/api/media/", "/api/media/../media/"),
            url.replace("expires=", "expires=-"),
            url.replace("expires=1", "expires=²"),
        ]
        for address in wrong:
            with pytest.raises((FetchRefused, FetchFailed)):
                await fetched(made, address, tmp_path / "video")
            assert not (tmp_path / "video").exists()


async def test_what_is_too_large_or_of_another_kind_is_refused(
    tmp_path: Path, cpu: OneWorker
) -> None:
    async with bench(tmp_path, cpu) as made:
        url = await made.put_media(SIT)
        with pytest.raises(FetchRefused, match="too_large"):
            await fetched(made, url, tmp_path / "video", max_bytes=1_000)
        with pytest.raises(FetchRefused, match="wrong_type"):
            await made.services.fetcher.fetch(
                url, tmp_path / "video", media_types=PICTURE_TYPES, max_bytes=10**7
            )
    assert not (tmp_path / "video").exists()


async def test_private_addresses_are_refused_also_our_own_unsigned(
    tmp_path: Path, cpu: OneWorker
) -> None:
    async with bench(tmp_path, cpu) as made:
        for address in (
            "https://127.0.0.1/a.mp4", "https://[::1]/a.mp4", "http://127.0.0.1:9/api/media/x",
            "file:///etc/passwd", "https://169.254.169.254/latest",
        ):  # fmt: skip
            with pytest.raises(FetchRefused):
                await fetched(made, address, tmp_path / "video")


async def test_a_signed_link_whose_object_is_elsewhere_is_asked_for_over_http(
    tmp_path: Path, cpu: OneWorker
) -> None:
    # Equal uploads share one object under another key; only the backend knows which.
    async with bench(tmp_path, cpu) as made:
        with pytest.raises(FetchFailed):
            await fetched(made, made.link("c" * 32), tmp_path / "video")
