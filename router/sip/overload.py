"""Turning a new call away without taking it in: no transaction, no leg, no body, no digest.

RFC 3261 21.5.4 (503 with Retry-After) and 8.2.7 (a stateless UAS). What this costs is a
twentieth of what a call's first step costs, so that saying no leaves time for the calls there are.
"""

from __future__ import annotations

from collections.abc import Callable

from router.sip.effects import Flow, Send
from router.sip.errors import ParseError
from router.sip.headers import Headers
from router.sip.message import Request
from router.sip.stateless import answer, server_key

_HEAD_MAX = 8_192
_START = b"INVITE "


def turn_away(
    data: bytes, flow: Flow, knows: Callable[[str], bool], retry_after_s: int
) -> list[Send] | None:
    """A 503 where ``data`` is an INVITE that begins a call; None for everything else.

    ``knows`` tells whether there is a server transaction of this key: an INVITE that was taken
    is not turned away when it comes again. None also for what cannot be read at a glance
    (folded lines, no Via): it goes the usual way and is answered there.
    """
    if not data.startswith(_START):
        return None
    head, blank, _ = data[:_HEAD_MAX].partition(b"\r\n\r\n")
    if not blank:
        return None
    start, _, fields = head.decode("latin-1").partition("\r\n")
    try:
        request = Request("INVITE", start.split(" ")[1], Headers.of_lines(fields.split("\r\n")))
        if request.to.tag is not None or knows(server_key(request, "INVITE")):
            return None
        return answer(request, flow, 503, headers=(("Retry-After", str(retry_after_s)),)) or None
    except ParseError:
        return None
