"""Recordings: what is known of a file, and the file itself, whole or in ranges."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from api.access import Leader, TheEngine
from api.errors import (
    GoneError,
    NotFoundError,
    UnavailableError,
    UnsatisfiableRangeError,
    declared,
)
from api.lasting import ask
from api.shapes import RecordingId, Shape, instant
from engine.engine import Engine
from recordings.store import StoredRecording

router = APIRouter(tags=["recordings"])

ONE_RANGE = re.compile(r"^bytes=(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))$")


class Recording(Shape):
    """A finished stereo file (caller left, agent right). ``error`` says why there is none."""

    id: str
    call: str
    sha256: str
    duration_s: float
    size_bytes: int
    finished_at: datetime
    error: str | None


async def _stored(engine: Engine, recording: str) -> StoredRecording:
    found = await ask(engine.recordings.get(recording))
    if found is None:
        raise NotFoundError(f"there is no recording {recording}")
    return found


@router.get("/recordings/{recording}", responses=declared(NotFoundError, UnavailableError))
async def get_recording(recording: RecordingId, engine: TheEngine, who: Leader) -> Recording:
    """What is known of a recording."""
    found = await _stored(engine, recording)
    return Recording(
        id=found.id,
        call=found.call,
        sha256=found.sha256,
        duration_s=found.duration_s,
        size_bytes=found.size_bytes,
        finished_at=instant(found.finished_at),
        error=found.error or None,
    )


WAV = {"content": {"audio/wav": {"schema": {"type": "string", "format": "binary"}}}}
AUDIO_RESPONSES = {
    **declared(NotFoundError, GoneError, UnsatisfiableRangeError, UnavailableError),
    200: {"description": "The whole file", **WAV},
    206: {"description": "The range asked for", **WAV},
    304: {"description": "The asker has this file"},
}


@router.head("/recordings/{recording}/audio", include_in_schema=False, name="head_recording_audio")
@router.get(
    "/recordings/{recording}/audio",
    response_class=FileResponse,
    response_model=None,
    responses=AUDIO_RESPONSES,
)
async def get_recording_audio(
    recording: RecordingId, request: Request, engine: TheEngine, who: Leader
) -> Response:
    """The WAV. One range is served (206, 416), If-Range and If-None-Match hold against the
    ETag, which is the file's SHA-256."""
    found = await _stored(engine, recording)
    if not found.path:
        raise NotFoundError(f"recording {recording} has no file: {found.error}")
    path = confined(Path(found.path), engine.recordings_dir)
    if path is None or not path.is_file():
        raise GoneError(f"the file of recording {recording} is not there any more")
    stat = path.stat()
    tag = f'"{found.sha256}"'
    headers = {"etag": tag, "cache-control": "private, no-cache"}
    if tag in _tags(request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    _settle_range(request, tag, stat.st_size)
    return FileResponse(path, headers=headers, media_type="audio/wav", stat_result=stat)


def confined(path: Path, directory: Path) -> Path | None:
    """The real path, None where it leads out of the directory (``..``, a link)."""
    real = path.resolve()
    return real if real.is_relative_to(directory.resolve()) else None


def _tags(header: str) -> list[str]:
    return [item.strip().removeprefix("W/") for item in header.split(",")]


def _settle_range(request: Request, tag: str, size: int) -> None:
    """Leave the Range header to the response only where it counts (RFC 9110 13.1.5, 14.2).

    It is ignored, as the clause asks, with another unit or form, for other methods than GET
    and where If-Range names another file; several ranges at once get the whole file.
    """
    headers = request.headers
    found = ONE_RANGE.match(headers.get("range", ""))
    same = headers.get("if-range", tag) == tag
    if found is None or not same or request.method != "GET" or _backwards(found):
        request.scope["headers"] = [
            item for item in request.scope["headers"] if item[0] not in (b"range", b"if-range")
        ]
        return
    first, _, suffix = found.groups()
    if (first and int(first) >= size) or (suffix and int(suffix) == 0) or not size:
        raise UnsatisfiableRangeError(size)


def _backwards(found: re.Match[str]) -> bool:
    first, last, _ = found.groups()
    return bool(first and last) and int(last) < int(first)
