"""Session descriptions: G.711 and telephone-event by offer and answer (RFC 4566, 3264, 4733).

Pure: the caller chooses session id, version, host and port. The first audio medium that we
can use is taken, every other one is refused with port 0.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import field
from functools import lru_cache
from typing import Literal

from config.values import value
from router.sip.errors import ParseError

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]

CODECS = {"PCMU": 0, "PCMA": 8}  # static payload types (RFC 3551 6); the workers know only these
_NAMES = {number: name for name, number in CODECS.items()}
_PROFILES = ("RTP/AVP", "RTP/AVPF")
_LINES_MAX = 1_000
_MEDIA_MAX = 32
_TOKEN = re.compile(r"[!-~]+")
_TIMES = re.compile(r"[0-9]{1,20} [0-9]{1,20}")

# direction -> (sends, receives)
_SENDS: dict[str, tuple[bool, bool]] = {
    "sendrecv": (True, True),
    "sendonly": (True, False),
    "recvonly": (False, True),
    "inactive": (False, False),
}
_DIRECTIONS: dict[tuple[bool, bool], Direction] = {
    (True, True): "sendrecv",
    (True, False): "sendonly",
    (False, True): "recvonly",
    (False, False): "inactive",
}


class SdpError(ParseError):
    """A session description is malformed (status 400) or not for us (488)."""


class NoCommonCodec(SdpError):
    """No audio medium, or none in a codec of ours: answer 488 (RFC 3261 13.3.1.3)."""

    def __init__(self) -> None:
        super().__init__("No audio in a common codec", 488)


@value(frozen=True, slots=True)
class Medium:
    """One ``m=`` section. ``direction`` is the peer's view; ``host`` None when there is no c=."""

    kind: str
    port: int
    profile: str
    formats: tuple[str, ...]
    host: str | None
    direction: Direction
    rtpmaps: dict[int, str] = field(default_factory=dict)  # payload type -> "PCMU/8000"
    fmtp: dict[int, str] = field(default_factory=dict)
    ptime_ms: int | None = None

    @property
    def codecs(self) -> list[str]:
        """PCMU and PCMA as far as listed under their static payload types, in order."""
        found: list[str] = []
        for item in self.formats:
            number = int(item) if item.isdigit() and len(item) <= 3 else -1
            name = _NAMES.get(number)
            if name and self.rtpmaps.get(number, f"{name}/8000").upper() in (
                f"{name}/8000",
                f"{name}/8000/1",
            ):
                found.append(name)
        return found

    @property
    def digits_type(self) -> int | None:
        """The payload type of telephone-event at 8000 Hz (RFC 4733), or None."""
        for item in self.formats:
            number = int(item) if item.isdigit() and len(item) <= 3 else -1
            if self.rtpmaps.get(number, "").lower() in (
                "telephone-event/8000",
                "telephone-event/8000/1",
            ):
                return number
        return None

    @property
    def usable(self) -> bool:
        """Audio over plain RTP that is not switched off (port 0)."""
        return self.kind == "audio" and self.profile in _PROFILES and self.port > 0


@value(frozen=True, slots=True)
class Description:
    """A parsed session description; ``host`` is the session's c= or None."""

    session_id: str
    version: str
    host: str | None
    times: str
    media: tuple[Medium, ...]

    @property
    def audio(self) -> Medium | None:
        """The first audio medium that is not switched off, whatever its profile and codecs."""
        for medium in self.media:
            if medium.kind == "audio" and medium.port:
                return medium
        return None


@value(frozen=True, slots=True)
class LocalMedia:
    """Our side of the audio. ``direction`` is what we want (we hold with ``sendonly``).

    ``session_id`` and ``version`` are decimal numbers below 2**63; the caller adds one to
    ``version`` whenever the description changes (RFC 3264 8).
    """

    host: str
    port: int
    session_id: int
    version: int
    codecs: tuple[str, ...] = ("PCMA", "PCMU")
    direction: Direction = "sendrecv"
    digits_type: int = 101


@value(frozen=True, slots=True)
class Negotiated:
    """What both sides agreed on.

    ``body`` is the answer to send (b"" from ``read_answer``). ``remote`` is None while the peer
    wants nothing (0.0.0.0, the old hold). ``direction`` is ours. ``held``: we would send, but
    the peer does not want to hear us.
    """

    body: bytes
    remote: tuple[str, int] | None
    payload_type: int
    digits_type: int | None
    direction: Direction
    held: bool


def make_offer(local: LocalMedia, after: bytes = b"") -> bytes:
    """An offer with our codecs in our order.

    ``after`` is the description that we sent last in this dialog: its other media stay in
    their places, switched off (RFC 3264 8 forbids to remove them).
    """
    payloads = [CODECS[name] for name in local.codecs]
    ours = _audio_lines(local, "RTP/AVP", payloads, local.digits_type, local.direction)
    sections: list[str] = []
    if after:
        media = parse_description(after).media
        chosen = next((index for index, medium in enumerate(media) if medium.usable), 0)
        for index, medium in enumerate(media):
            sections += ours if index == chosen else [_refused(medium)]
    return _body(local, "0 0", sections or ours)


def answer(offer_body: bytes, local: LocalMedia) -> Negotiated:
    """Answer an offer (RFC 3264 6): the first codec of the offer that we have, its payload
    types, its order of media. Raises SdpError, NoCommonCodec."""
    offer = parse_description(offer_body)
    chosen, codec = _choose(offer.media, local)
    medium = offer.media[chosen]
    agreed = _negotiate(medium, codec, local)
    sections: list[str] = []
    for index, other in enumerate(offer.media):
        if index == chosen:
            sections += _audio_lines(
                local, medium.profile, [agreed.payload_type], agreed.digits_type, agreed.direction
            )
        else:
            sections.append(_refused(other))
    return Negotiated(
        _body(local, offer.times, sections),
        agreed.remote,
        agreed.payload_type,
        agreed.digits_type,
        agreed.direction,
        agreed.held,
    )


def read_answer(answer_body: bytes, local: LocalMedia) -> Negotiated:
    """Read the answer to our offer (RFC 3264 7). Raises SdpError, NoCommonCodec."""
    media = parse_description(answer_body).media
    chosen, codec = _choose(media, local)
    return _negotiate(media[chosen], codec, local)


def _choose(media: tuple[Medium, ...], local: LocalMedia) -> tuple[int, str]:
    """Index of the first medium that we can use, and its first codec that we have."""
    for index, medium in enumerate(media):
        if medium.usable:
            for name in medium.codecs:
                if name in local.codecs:
                    return index, name
    raise NoCommonCodec


def _negotiate(medium: Medium, codec: str, local: LocalMedia) -> Negotiated:
    """Directions of RFC 3264 6.1 and 8.4, addresses, digits."""
    if medium.host is None:
        raise SdpError("Session description has no connection address")
    address = _address(medium.host)
    if address.is_multicast:
        raise SdpError("Multicast is not supported", 488)
    sends, receives = _SENDS[medium.direction]
    if address.is_unspecified:
        receives = False
    we_send, we_receive = _SENDS[local.direction]
    return Negotiated(
        b"",
        None if address.is_unspecified else (medium.host, medium.port),
        CODECS[codec],
        medium.digits_type,
        _DIRECTIONS[we_send and receives, we_receive and sends],
        we_send and not receives,
    )


# --- writing ---------------------------------------------------------------------------------


def _body(local: LocalMedia, times: str, sections: list[str]) -> bytes:
    family = "IP6" if ":" in local.host else "IP4"
    lines = [
        "v=0",
        f"o=- {local.session_id} {local.version} IN {family} {local.host}",
        "s=-",
        f"c=IN {family} {local.host}",
        f"t={times}",
        *sections,
        "",
    ]
    return "\r\n".join(lines).encode("ascii")


def _audio_lines(
    local: LocalMedia,
    profile: str,
    payloads: list[int],
    digits_type: int | None,
    direction: Direction,
) -> list[str]:
    numbers = [*payloads, *([] if digits_type is None else [digits_type])]
    lines = [f"m=audio {local.port} {profile} {' '.join(map(str, numbers))}"]
    lines += [f"a=rtpmap:{number} {_NAMES[number]}/8000" for number in payloads]
    if digits_type is not None:
        lines += [
            f"a=rtpmap:{digits_type} telephone-event/8000",
            f"a=fmtp:{digits_type} 0-15",
        ]
    return [*lines, "a=ptime:20", f"a={direction}"]


def _refused(medium: Medium) -> str:
    return f"m={medium.kind} 0 {medium.profile} {' '.join(medium.formats)}"


# --- reading ---------------------------------------------------------------------------------


@lru_cache(maxsize=64)  # the same body is read for its addresses, then for the answer
def parse_description(body: bytes) -> Description:
    """Parse; unknown lines are ignored, bare LF line ends are taken (RFC 4566 5).

    Raises SdpError: malformed v=, o=, c=, m= or rtpmap lines, a name as connection address,
    more than 1,000 lines or 32 media.
    """
    text = body.decode("utf-8", "replace")
    lines = text.replace("\r\n", "\n").split("\n")
    if len(lines) > _LINES_MAX:
        raise SdpError("Session description has too many lines")
    if lines[0] != "v=0":
        raise SdpError("Session description does not begin with v=0")
    sections: list[list[str]] = [[]]
    for line in lines[1:]:
        if line[:2] == "m=":
            sections.append([])
        elif line and line[1:2] != "=":
            raise SdpError("Malformed line in session description")
        sections[-1].append(line)
    if len(sections) - 1 > _MEDIA_MAX:
        raise SdpError("Session description has too many media")
    session = sections[0]
    origin = _first(session, "o=").split(" ")
    if len(origin) != 6:
        raise SdpError("Malformed o= line")
    connection = _first(session, "c=")
    host = _host(connection) if connection else None
    times = _first(session, "t=")
    direction = _direction(session, "sendrecv")
    return Description(
        origin[1],
        origin[2],
        host,
        times if _TIMES.fullmatch(times) else "0 0",
        tuple(_medium(section, host, direction) for section in sections[1:]),
    )


def _first(lines: list[str], prefix: str) -> str:
    for line in lines:
        if line.startswith(prefix):
            return line[len(prefix) :]
    return ""


def _direction(lines: list[str], default: Direction) -> Direction:
    for line in lines:
        if line[:2] == "a=" and line[2:].rstrip() in _SENDS:
            return _DIRECTIONS[_SENDS[line[2:].rstrip()]]
    return default


@lru_cache(maxsize=1024)
def _address(literal: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(literal)


def _host(connection: str) -> str:
    """The address of ``IN IP4 192.0.2.1[/ttl]``."""
    parts = connection.split()
    if len(parts) != 3 or parts[0] != "IN" or parts[1] not in ("IP4", "IP6"):
        raise SdpError("Malformed c= line")
    literal = parts[2].partition("/")[0]
    try:
        address = _address(literal)
    except ValueError:
        # a host name would need DNS in the media path
        raise SdpError("Connection address is no IP address", 488) from None
    if "%" in literal or address.version != int(parts[1][2]):
        raise SdpError("Malformed c= line")
    return str(address)


def _medium(section: list[str], host: str | None, direction: Direction) -> Medium:
    parts = section[0][2:].split()
    if len(parts) < 4 or any(_TOKEN.fullmatch(part) is None for part in parts):
        raise SdpError("Malformed m= line")
    port = parts[1].partition("/")[0]  # "49170/2": two ports, the first counts
    if not (port.isascii() and port.isdigit()) or len(port) > 5 or int(port) > 65535:
        raise SdpError("Malformed m= line")
    if parts[0] != "audio":
        # it will be refused, so what it says need not make sense
        return Medium(parts[0], int(port), parts[2], tuple(parts[3:]), None, direction)
    connection = _first(section, "c=")
    rtpmaps: dict[int, str] = {}
    fmtp: dict[int, str] = {}
    ptime = None
    for line in section[1:]:
        name, _, value = line[2:].partition(":") if line[:2] == "a=" else ("", "", "")
        if name in ("rtpmap", "fmtp"):
            number, _, rest = value.partition(" ")
            if not (number.isascii() and number.isdigit()) or len(number) > 3:
                raise SdpError(f"Malformed {name}")
            (rtpmaps if name == "rtpmap" else fmtp).setdefault(int(number), rest.strip())
        elif name == "ptime" and value.isascii() and value.isdigit() and len(value) <= 4:
            ptime = int(value)
    return Medium(
        parts[0],
        int(port),
        parts[2],
        tuple(parts[3:]),
        _host(connection) if connection else host,
        _direction(section, direction),
        rtpmaps,
        fmtp,
        ptime,
    )
