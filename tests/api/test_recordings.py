"""Recordings over HTTP: whole, in ranges, and never a file from elsewhere."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from recordings.events import RecordingFinished
from tests.api.fakes import Node

CONTENT = b"RIFF" + bytes(range(256)) * 700
SIZE = len(CONTENT)
AUDIO = "/recordings/c1-r1/audio"
TAG = f'"{hashlib.sha256(CONTENT).hexdigest()}"'


@pytest.fixture
async def recorded(node: Node) -> Node:
    await node.past_call("c1", recording=node.recording_file("c1-r1", CONTENT))
    return node


async def test_the_whole_file(recorded: Node) -> None:
    async with recorded.client() as client:
        answer = await client.get(AUDIO)
        about = (await client.get("/recordings/c1-r1")).json()
        ticket = (await client.get("/tickets/1")).json()
    assert answer.content == CONTENT
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["etag"] == TAG
    assert answer.headers["cache-control"] == "private, no-cache"
    assert about["sha256"] == ticket["recording"]["sha256"] == TAG.strip('"')
    assert about["size_bytes"] == SIZE
    assert about["error"] is None


async def test_head_tells_and_sends_nothing(recorded: Node) -> None:
    async with recorded.client() as client:
        plain = await client.head(AUDIO)
        ranged = await client.head(AUDIO, headers={"Range": "bytes=0-9"})
    for answer in (plain, ranged):  # RFC 9110 14.2: Range is for GET only
        assert answer.status_code == 200
        assert answer.headers["content-length"] == str(SIZE)
        assert answer.content == b""


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-99", 0, 99),
        ("bytes=100-", 100, SIZE - 1),
        ("bytes=-5", SIZE - 5, SIZE - 1),
        (f"bytes=-{SIZE + 9}", 0, SIZE - 1),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE - 1),
        (f"bytes=10-{SIZE + 100}", 10, SIZE - 1),
        ("bytes=1000-70000", 1000, 70000),
    ],
)
async def test_a_range(recorded: Node, asked: str, first: int, last: int) -> None:
    async with recorded.client() as client:
        answer = await client.get(AUDIO, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer.headers["content-length"] == str(last - first + 1)
    assert answer.headers["etag"] == TAG
    assert answer.content == CONTENT[first : last + 1]


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE + 5}-{SIZE + 9}", "bytes=-0"])
async def test_a_range_behind_the_end(recorded: Node, asked: str) -> None:
    async with recorded.client() as client:
        answer = await client.get(AUDIO, headers={"Range": asked})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize(
    "asked",
    ["bytes=5-3", "bytes=a-b", "bytes=", "bytes=-", "items=0-5", "0-5", "bytes=0-5,10-15", "bytes"],
)
async def test_what_is_no_range_gets_the_whole(recorded: Node, asked: str) -> None:
    async with recorded.client() as client:
        answer = await client.get(AUDIO, headers={"Range": asked})
    assert answer.status_code == 200
    assert answer.content == CONTENT


async def test_conditions_hold_against_the_files_hash(recorded: Node) -> None:
    ten = {"Range": "bytes=0-9"}
    async with recorded.client() as client:
        same = await client.get(AUDIO, headers={**ten, "If-Range": TAG})
        other = await client.get(AUDIO, headers={**ten, "If-Range": '"other"'})
        weak = await client.get(AUDIO, headers={**ten, "If-Range": f"W/{TAG}"})
        behind = await client.get(AUDIO, headers={"Range": f"bytes={SIZE}-", "If-Range": '"other"'})
        known = await client.get(AUDIO, headers={"If-None-Match": f'"x", {TAG}'})
        unknown = await client.get(AUDIO, headers={"If-None-Match": '"x"'})
    assert (same.status_code, len(same.content)) == (206, 10)
    for answer in (other, weak, behind, unknown):
        assert (answer.status_code, len(answer.content)) == (200, SIZE)
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", TAG)


async def test_a_recording_without_a_file(node: Node) -> None:
    await node.past_call("c1", recording=RecordingFinished("c1-r1", "", "", 0.0, 0, "disk full"))
    async with node.client() as client:
        answer = await client.get(AUDIO)
        assert (await client.get("/recordings/c1-r1")).json()["error"] == "disk full"
    assert answer.status_code == 404
    assert "disk full" in answer.json()["detail"]


async def test_a_file_that_left(recorded: Node) -> None:
    (recorded.engine.recordings_dir / "c1-r1.wav").unlink()
    async with recorded.client() as client:
        assert (await client.get(AUDIO)).status_code == 410


async def test_no_file_from_outside_the_folder(node: Node, tmp_path: Path) -> None:
    secret = tmp_path / "secrets.json"
    secret.write_text("secret")
    folder = node.engine.recordings_dir
    (folder / "link.wav").symlink_to(secret)
    paths = [str(secret), f"{folder}/../secrets.json", f"{folder}/link.wav", "/etc/passwd"]
    for number, path in enumerate(paths):
        name = f"c{number}-r1"
        finished = RecordingFinished(name, path, "ab", 1.0, 6)
        await node.past_call(f"c{number}", recording=finished)
        async with node.client() as client:
            answer = await client.get(f"/recordings/{name}/audio")
        assert answer.status_code == 410
        assert "secret" not in answer.text


@pytest.mark.parametrize("name", ["..%2f..%2fsecrets.json", "%2e%2e", "a%00", "a.wav", "x" * 81])
async def test_names_that_are_none(node: Node, name: str) -> None:
    async with node.client() as client:
        for path in (f"/recordings/{name}", f"/recordings/{name}/audio"):
            assert (await client.get(path)).status_code in (404, 422)
