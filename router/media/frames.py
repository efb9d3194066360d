"""Frames of the worker protocol: a 4-byte length and a msgpack array (see protocol.py)."""

from __future__ import annotations

from typing import Any

import msgspec

from config.errors import PeerError
from router.media import protocol

FRAME_BYTES_MAX = 4 * 1024 * 1024

COMMAND, ANSWER, REPORT, FIGURE = range(4)
UNANSWERED = 0  # the number of a command whose answer nobody waits for: only a refusal is sent

_encode = msgspec.msgpack.Encoder().encode
_command = msgspec.msgpack.Decoder(tuple[int, int, int, str, msgspec.Raw])
_other = msgspec.msgpack.Decoder(tuple[int, int, str, msgspec.Raw])

_COMMANDS: dict[str, Any] = {kind.__name__: kind for kind in protocol.Command.__args__}
_ANSWERS: dict[str, Any] = {kind.__name__: kind for kind in protocol.Answer.__args__}
_REPORTS: dict[str, Any] = {kind.__name__: kind for kind in protocol.Report.__args__}
_FIGURES: dict[str, Any] = {protocol.WorkerFigures.__name__: protocol.WorkerFigures}
_decoders: dict[Any, msgspec.msgpack.Decoder[Any]] = {}


class FrameError(PeerError):
    """The other side of the socket does not speak the protocol."""


def _body(kinds: dict[str, Any], name: str, raw: msgspec.Raw) -> Any:
    kind = kinds.get(name)
    if kind is None:
        raise FrameError(f"unknown type {name[:40]!r}")
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    return decoder.decode(raw)


def _frame(parts: list[Any]) -> bytes:
    data = _encode(parts)
    return len(data).to_bytes(4, "big") + data


def encode_command(generation: int, number: int, command: protocol.Command) -> bytes:
    return _frame([COMMAND, generation, number, type(command).__name__, command])


def encode_answer(number: int, answer: protocol.Answer) -> bytes:
    return _frame([ANSWER, number, type(answer).__name__, answer])


def encode_report(number: int, report: protocol.Report) -> bytes:
    return _frame([REPORT, number, type(report).__name__, report])


def encode_figure(figure: protocol.Figure) -> bytes:
    return _frame([FIGURE, 0, type(figure).__name__, figure])


def decode_command(data: bytes) -> tuple[int, int, protocol.Command]:
    """(generation, number, command) of one frame's body. Raises FrameError."""
    try:
        kind, generation, number, name, raw = _command.decode(data)
        if kind != COMMAND:
            raise FrameError(f"no command: frame of kind {kind}")
        return generation, number, _body(_COMMANDS, name, raw)
    except msgspec.MsgspecError as error:
        raise FrameError(str(error)) from None


def decode_from_worker(
    data: bytes,
) -> tuple[int, int, protocol.Answer | protocol.Report | protocol.Figure]:
    """(kind, number, body) of one frame's body. Raises FrameError."""
    try:
        kind, number, name, raw = _other.decode(data)
        kinds = {ANSWER: _ANSWERS, REPORT: _REPORTS, FIGURE: _FIGURES}.get(kind)
        if kinds is None:
            raise FrameError(f"frame of kind {kind}")
        return kind, number, _body(kinds, name, raw)
    except msgspec.MsgspecError as error:
        raise FrameError(str(error)) from None


class Splitter:
    """Cuts a byte stream into frame bodies; holds at most one frame and what was just fed."""

    def __init__(self, size_max: int = FRAME_BYTES_MAX) -> None:
        self._buffer = bytearray()
        self._size_max = size_max

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self) -> bytes | None:
        """The next whole frame's body. Raises FrameError on one that is too long."""
        buffer = self._buffer
        if len(buffer) < 4:
            return None
        size = int.from_bytes(buffer[:4], "big")
        if size > self._size_max:
            raise FrameError(f"frame of {size} bytes")
        if len(buffer) < 4 + size:
            return None
        body = bytes(buffer[4 : 4 + size])
        del buffer[: 4 + size]
        return body
