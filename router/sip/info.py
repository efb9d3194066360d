"""Keys by SIP INFO: application/dtmf-relay and application/dtmf, as phones send them."""

from __future__ import annotations

_KEYS = frozenset("0123456789*#ABCD")
_NAMES = {
    "10": "*",
    "11": "#",
    "12": "A",
    "13": "B",
    "14": "C",
    "15": "D",
    "STAR": "*",
    "POUND": "#",
}
KINDS = ("application/dtmf-relay", "application/dtmf")


def key_of(content_type: str, body: bytes) -> str | None:
    """The key of an INFO body, or None where it holds none.

    ``application/dtmf-relay`` has lines ``Signal=5`` and ``Duration=160``;
    ``application/dtmf`` has the key alone.
    """
    text = body[:256].decode("ascii", "replace")
    if content_type == "application/dtmf-relay":
        for line in text.splitlines():
            name, _, value = line.partition("=")
            if name.strip().lower() == "signal":
                return _key(value)
        return None
    return _key(text)


def _key(text: str) -> str | None:
    key = text.strip().upper()
    key = _NAMES.get(key, key)
    return key if key in _KEYS else None
