"""The header fields of a message: ordered, case-insensitive, compact forms expanded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from router.sip.errors import ParseError

_NAMES = """
Accept Accept-Contact Accept-Encoding Accept-Language Alert-Info Allow Allow-Events
Authentication-Info Authorization Call-ID Call-Info Contact Content-Disposition
Content-Encoding Content-Language Content-Length Content-Type CSeq Date Diversion Error-Info
Event Expires From History-Info Identity In-Reply-To Join Max-Forwards MIME-Version
Min-Expires Min-SE Organization P-Access-Network-Info P-Asserted-Identity
P-Charging-Vector P-Early-Media P-Preferred-Identity Path Priority Privacy Proxy-Authenticate
Proxy-Authorization Proxy-Require RAck Reason Record-Route Refer-Sub Refer-To Referred-By
Reject-Contact Remote-Party-ID Replaces Reply-To Request-Disposition Require Retry-After Route
RSeq Server Service-Route Session-Expires SIP-ETag SIP-If-Match Subject Subscription-State
Supported Timestamp To Unsupported User-Agent Via Warning WWW-Authenticate
""".split()  # noqa: SIM905

# RFC 3261 7.3.3 and the IANA registry of compact forms
_COMPACT = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
    "y": "Identity",
}

_BY_LOWER = {name.lower(): name for name in _NAMES} | _COMPACT
_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
_SPELLINGS_MAX = 1024
_BLANKS = " \t"


class _Canonical(dict[str, str]):
    """Spelling on the wire -> canonical name; learns spellings up to a limit."""

    def __missing__(self, spelling: str) -> str:
        # HCOLON allows white space before the colon (RFC 3261 25.1)
        name = spelling.rstrip(" \t")
        if _TOKEN.fullmatch(name) is None:
            raise ParseError("Malformed header name")
        lower = name.lower()
        canonical = _BY_LOWER.get(lower)
        if canonical is None:
            canonical = "-".join(part.capitalize() for part in lower.split("-"))
        if len(self) < _SPELLINGS_MAX and len(spelling) <= 64:
            self[spelling] = canonical
        return canonical


CANONICAL = _Canonical()
for _name in [*_NAMES, *_COMPACT]:
    for _spelling in (_name, _name.lower(), _name.upper()):
        CANONICAL[_spelling] = _BY_LOWER[_name.lower()]


def canonical_name(spelling: str) -> str:
    """The canonical name of a header field; ParseError where it is no token."""
    return CANONICAL[spelling]


_KNOWN = frozenset(CANONICAL.values())


class Headers:
    """An ordered list of (canonical name, value).

    A value is the text of one header line, unfolded and stripped; it may hold several
    comma-separated values. Parsed values that ``Message`` keeps live in ``parsed`` under the
    header's name (with ``*`` when it is the list of all) and are dropped when that header
    changes, so that a kept value is never stale.
    """

    __slots__ = ("_index", "_items", "_lines", "parsed")

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._items: list[tuple[str, str]] | None = [(CANONICAL[n], v) for n, v in items]
        self._lines: list[str] = []
        self._index: dict[str, str] | None = None
        self.parsed: dict[str, Any] = {}

    @classmethod
    def of_lines(cls, lines: list[str]) -> Headers:
        """Take over header lines ``Name: value``, unfolded (the parser's way in).

        Only the index is made now, the list when it is needed. ParseError for a malformed name
        or a line without a colon.
        """
        self = cls.__new__(cls)
        self._items = None
        self._lines = lines
        self.parsed = {}
        try:
            # reversed, so that the first of several wins
            index = dict([line.split(":", 1) for line in reversed(lines)])
        except ValueError:
            raise ParseError("Malformed header line") from None
        if not _KNOWN.issuperset(index):
            index = {CANONICAL[n]: v for n, _, v in [ln.partition(":") for ln in reversed(lines)]}
        self._index = index
        return self

    @classmethod
    def of_canonical(cls, items: list[tuple[str, str]]) -> Headers:
        """Take over a list whose names are canonical and whose values are stripped already."""
        self = cls.__new__(cls)
        self._items = items
        self._lines = []
        self._index = None
        self.parsed = {}
        return self

    def _list(self) -> list[tuple[str, str]]:
        items = self._items
        if items is None:
            items = self._items = [
                (CANONICAL[name], value.strip(_BLANKS))
                for name, _, value in [line.partition(":") for line in self._lines]
            ]
            self._lines = []
        return items

    def _changed(self, name: str) -> None:
        self._index = None
        self._forget(name)

    def _forget(self, name: str) -> None:
        self.parsed.pop(name, None)
        self.parsed.pop(name + "*", None)

    def index(self) -> dict[str, str]:
        """The first value of each name, by canonical name, white space still around it; not
        to be changed."""
        index = self._index
        if index is None:
            index = self._index = dict(reversed(self._list()))
        return index

    def first(self, canonical: str) -> str | None:
        """The first value under a name that is canonical already."""
        index = self._index
        if index is None:
            index = self.index()
        value = index.get(canonical)
        return None if value is None else value.strip(_BLANKS)

    def repeats(self) -> bool:
        """Some name stands more than once."""
        return len(self.index()) != len(self)

    def get(self, name: str) -> str | None:
        """The first value, or None."""
        return self.first(CANONICAL[name])

    def get_all(self, name: str) -> list[str]:
        """Every value (header line) in order."""
        name = CANONICAL[name]
        first = self.first(name)
        if first is None:
            return []
        if not self.repeats():
            return [first]
        return [v for n, v in self._list() if n == name]

    def add(self, name: str, value: str) -> None:
        """Append a header field at the end."""
        name = CANONICAL[name]
        self._list().append((name, value))
        self._changed(name)

    def set(self, name: str, value: str) -> None:
        """Replace all of this name by one, in the place of the first (or at the end)."""
        name = CANONICAL[name]
        items: list[tuple[str, str]] = []
        placed = False
        for item in self._list():
            if item[0] != name:
                items.append(item)
            elif not placed:
                items.append((name, value))
                placed = True
        if not placed:
            items.append((name, value))
        self._items = items
        self._changed(name)

    def prepend(self, name: str, value: str) -> None:
        """Put a header field before all others (a Via, a Route)."""
        name = CANONICAL[name]
        self._list().insert(0, (name, value))
        self._changed(name)

    def replace_first(self, name: str, value: str) -> None:
        """Replace the first header field of this name, the others stay; KeyError without one."""
        name = CANONICAL[name]
        items = self._list()
        for position, item in enumerate(items):
            if item[0] == name:
                items[position] = (name, value)
                break
        else:
            raise KeyError(name)
        if self._index is not None:
            self._index[name] = value
        self._forget(name)

    def remove(self, name: str) -> None:
        """Remove every header field of this name; none is fine."""
        name = CANONICAL[name]
        self._items = [item for item in self._list() if item[0] != name]
        self._changed(name)

    def copy(self) -> Headers:
        return Headers.of_canonical(list(self._list()))

    def __contains__(self, name: str) -> bool:
        return self.first(CANONICAL[name]) is not None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._list())

    def __len__(self) -> int:
        return len(self._lines) if self._items is None else len(self._items)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return self._list() == other._list()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Headers({self._list()!r})"
