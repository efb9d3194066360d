"""What requests and responses share: headers read to values, a body, the way back to bytes."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from config.errors import MisuseError
from router.sip.errors import ParseError
from router.sip.headers import Headers
from router.sip.lexical import digits, split
from router.sip.values import CSeq, NameAddr, Via, delta_seconds, parse_addresses

T = TypeVar("T")


class Message:
    """Accessors parse on first use and keep the value with the headers until those change.

    They raise ``ParseError`` with the status that a UAS should answer.
    """

    __slots__ = ("body", "headers")

    headers: Headers
    body: bytes

    def start_line(self) -> str:
        raise NotImplementedError

    # --- the seven main headers -----------------------------------------------------------

    @property
    def via(self) -> Via:
        """The top Via. ParseError when missing or malformed."""
        parsed = self.headers.parsed
        if "Via" in parsed:
            kept: Via = parsed["Via"]
            return kept
        value = self._needed("Via")
        if "," in value:
            value = split(value, ",")[0]
        parsed["Via"] = via = Via.parse(value)
        return via

    @property
    def from_(self) -> NameAddr:
        parsed = self.headers.parsed
        if "From" in parsed:
            kept: NameAddr = parsed["From"]
            return kept
        parsed["From"] = address = NameAddr.parse(self._needed("From"))
        return address

    @property
    def to(self) -> NameAddr:
        parsed = self.headers.parsed
        if "To" in parsed:
            kept: NameAddr = parsed["To"]
            return kept
        parsed["To"] = address = NameAddr.parse(self._needed("To"))
        return address

    @property
    def call_id(self) -> str:
        parsed = self.headers.parsed
        if "Call-ID" in parsed:
            kept: str = parsed["Call-ID"]
            return kept
        parsed["Call-ID"] = call_id = self._needed("Call-ID")
        return call_id

    @property
    def cseq(self) -> CSeq:
        parsed = self.headers.parsed
        if "CSeq" in parsed:
            kept: CSeq = parsed["CSeq"]
            return kept
        parsed["CSeq"] = cseq = CSeq.parse(self._needed("CSeq"))
        return cseq

    @property
    def contacts(self) -> list[NameAddr]:
        """All contacts in order; empty for none and for ``*`` (see ``star``)."""
        parsed = self.headers.parsed
        if "Contact*" in parsed:
            kept: list[NameAddr] = parsed["Contact*"]
            return kept
        value = self.headers.first("Contact")
        if value is None or (value == "*" and self.star):
            contacts = []
        elif "," in value or self.headers.repeats():
            contacts = self._addresses("Contact")
        else:
            contacts = [NameAddr.parse(value)]
        parsed["Contact*"] = contacts
        return contacts

    @property
    def max_forwards(self) -> int | None:
        """0 to 255, None when missing (then 70 counts, RFC 3261 16.6)."""
        parsed = self.headers.parsed
        if "Max-Forwards" in parsed:
            kept: int | None = parsed["Max-Forwards"]
            return kept
        parsed["Max-Forwards"] = hops = self._number("Max-Forwards", 255)
        return hops

    # --- the others -----------------------------------------------------------------------

    @property
    def vias(self) -> list[Via]:
        """All Via values, the top one first."""
        return self._kept("Via*", lambda: [Via.parse(v) for v in self._values("Via")])

    @property
    def star(self) -> bool:
        """The one Contact is ``*`` (RFC 3261 10.2.2). ParseError when it is not alone."""
        values = self._values("Contact")
        if "*" in values and len(values) > 1:
            raise ParseError("Contact * is not alone")
        return values == ["*"]

    @property
    def contact(self) -> NameAddr | None:
        """The first contact, or None."""
        contacts = self.contacts
        return contacts[0] if contacts else None

    @property
    def routes(self) -> list[NameAddr]:
        return self._kept("Route*", lambda: self._addresses("Route"))

    @property
    def record_routes(self) -> list[NameAddr]:
        return self._kept("Record-Route*", lambda: self._addresses("Record-Route"))

    @property
    def expires(self) -> int | None:
        """Seconds; malformed counts as 3600, too large as 2**32 - 1 (RFC 3261 10.2.1.1)."""
        value = self.headers.first("Expires")
        return None if value is None else delta_seconds(value)

    @property
    def require(self) -> frozenset[str]:
        """Option tags in lower case."""
        return self._tags("Require")

    @property
    def proxy_require(self) -> frozenset[str]:
        return self._tags("Proxy-Require")

    @property
    def supported(self) -> frozenset[str]:
        return self._tags("Supported")

    @property
    def allow(self) -> frozenset[str]:
        """Methods as they stand (they are case-sensitive)."""
        return _words(self.headers.get_all("Allow"))

    @property
    def content_type(self) -> str | None:
        """The media type in lower case, without parameters; None when missing."""
        value = self.headers.first("Content-Type")
        return None if value is None else value.partition(";")[0].strip().lower()

    @property
    def session_expires(self) -> tuple[int, str | None] | None:
        """(seconds, refresher ``uac``/``uas`` or None) of Session-Expires (RFC 4028 4)."""
        value = self.headers.first("Session-Expires")
        if value is None:
            return None
        seconds, *rest = split(value, ";")
        refresher = None
        for part in rest:
            name, _, wish = part.partition("=")
            if name.strip().lower() == "refresher":
                refresher = wish.strip().lower()
                if refresher not in ("uac", "uas"):
                    raise ParseError("Malformed Session-Expires")
        return digits(seconds, "Session-Expires", 2**32 - 1), refresher

    @property
    def min_se(self) -> int | None:
        """Seconds of Min-SE (RFC 4028 5), or None."""
        return self._number("Min-SE", 2**32 - 1)

    @property
    def rseq(self) -> int | None:
        """RSeq of a reliable provisional response (RFC 3262 7.1), or None."""
        return self._number("RSeq", 2**32 - 1)

    @property
    def rack(self) -> tuple[int, int, str] | None:
        """(RSeq, CSeq number, CSeq method) of RAck (RFC 3262 7.2), or None."""
        value = self.headers.first("RAck")
        if value is None:
            return None
        parts = value.split()
        if len(parts) != 3:
            raise ParseError("Malformed RAck")
        return digits(parts[0], "RAck", 2**32 - 1), digits(parts[1], "RAck", 2**31 - 1), parts[2]

    @property
    def retry_after(self) -> int | None:
        """Seconds of Retry-After without its comment, or None."""
        value = self.headers.first("Retry-After")
        if value is None:
            return None
        seconds = value.partition("(")[0].partition(";")[0].strip()
        return digits(seconds, "Retry-After", 2**32 - 1)

    @property
    def refer_to(self) -> NameAddr | None:
        """Refer-To (RFC 3515 2.1), or None. ParseError when there are several."""
        values = self._values("Refer-To")
        if len(values) > 1:
            raise ParseError("More than one Refer-To")
        return NameAddr.parse(values[0]) if values else None

    @property
    def asserted_identities(self) -> list[NameAddr]:
        """P-Asserted-Identity (RFC 3325 9.1)."""
        return self._addresses("P-Asserted-Identity")

    # --- encoding -------------------------------------------------------------------------

    def encode(self) -> bytes:
        """The message on the wire; Content-Length is set to the body's, header names are the
        canonical long ones. MisuseError when a header value holds a line break."""
        lines = [self.start_line()]
        lines += [f"{n}: {v}" for n, v in self.headers if n != "Content-Length"]
        lines += [f"Content-Length: {len(self.body)}", "", ""]
        head = "\r\n".join(lines)
        breaks = len(lines) - 1
        if head.count("\n") != breaks or head.count("\r") != breaks:
            raise MisuseError("a header value or the start line holds a line break")
        return head.encode("utf-8", "replace") + self.body

    def __eq__(self, other: object) -> bool:
        """Same start line, headers (Content-Length left out) and body."""
        if not isinstance(other, Message):
            return NotImplemented
        return (
            self.start_line() == other.start_line()
            and self.body == other.body
            and [item for item in self.headers if item[0] != "Content-Length"]
            == [item for item in other.headers if item[0] != "Content-Length"]
        )

    __hash__ = None  # type: ignore[assignment]

    # --- helpers of the accessors ---------------------------------------------------------

    def _needed(self, name: str) -> str:
        value = self.headers.first(name)
        if not value:
            raise ParseError(f"Missing {name}")
        return value

    def _values(self, name: str) -> list[str]:
        """Every non-empty value, comma-separated ones taken apart."""
        return _parts(self.headers.get_all(name))

    def _addresses(self, name: str) -> list[NameAddr]:
        return parse_addresses(self.headers.get_all(name))

    def _tags(self, name: str) -> frozenset[str]:
        if self.headers.first(name) is None:
            return frozenset()
        return _words([value.lower() for value in self.headers.get_all(name)])

    def _number(self, name: str, maximum: int) -> int | None:
        value = self.headers.first(name)
        return None if value is None else digits(value, name, maximum)

    def _kept(self, key: str, parse: Callable[[], T]) -> T:
        parsed = self.headers.parsed
        if key not in parsed:
            parsed[key] = parse()
        kept: T = parsed[key]
        return kept


def _parts(lines: list[str]) -> list[str]:
    return [part for line in lines for part in split(line, ",") if part]


def _words(lines: list[str]) -> frozenset[str]:
    """Allow and the like: peers say the same in each message, so one short line is read once."""
    if len(lines) == 1 and len(lines[0]) <= 256:
        return _words_of(lines[0])
    return frozenset(_parts(lines))


@lru_cache(maxsize=512)
def _words_of(line: str) -> frozenset[str]:
    return frozenset(_parts([line]))
