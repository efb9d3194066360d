"""Session timers (RFC 4028): who refreshes a session, how often, and when it is over.

Pure negotiation; the dialog keeps the ``SessionTimer``, its alarms are ``refresh`` (half the
interval, 10) and ``expire`` (a third of it, at most 32 s, before its end).
"""

from __future__ import annotations

from config.values import value
from router.sip.message import ParseError, Request, Response

MIN_SE_S = 90  # RFC 4028 4: no smaller interval is allowed
_INTERVAL_S_MIN = 10  # of a peer that does not care; below it refreshing would be a flood


@value(frozen=True, slots=True)
class SessionTimer:
    """What both sides agreed on. ``ours`` says that we refresh. ``interval_s`` 0: no timer."""

    interval_s: int = 0
    ours: bool = False

    def refresh_at(self, now: float) -> float | None:
        """When to send a refresh, or None where the peer does (RFC 4028 10)."""
        return now + self.interval_s / 2 if self.interval_s and self.ours else None

    def expires_at(self, now: float) -> float | None:
        """When to give the session up, or None without a timer (RFC 4028 10)."""
        if not self.interval_s:
            return None
        return now + self.interval_s - min(32.0, self.interval_s / 3)


NO_TIMER = SessionTimer()


def too_small(request: Request) -> bool:
    """422 is due: the peer knows timers and asks for less than we allow (RFC 4028 9).

    Reads all that ``as_server`` will, so that this raises the ParseError and that never does.
    """
    _ = request.min_se
    asked = request.session_expires
    knows = "timer" in request.supported
    return asked is not None and asked[0] < MIN_SE_S and knows


def as_server(request: Request, wish_s: int) -> tuple[SessionTimer, list[tuple[str, str]]]:
    """The timer of our 2xx to an INVITE or UPDATE, and the headers that say so (RFC 4028 9).

    The interval is the peer's, lowered to our wish where its Min-SE allows. A peer that does
    not know timers gets one that we refresh.
    """
    knows = "timer" in request.supported
    asked = request.session_expires
    floor = max(MIN_SE_S, request.min_se or 0)
    interval = max(wish_s, floor) if asked is None else max(min(asked[0], wish_s), floor)
    ours = asked is None or not knows or asked[1] == "uas"
    refresher = "uas" if ours else "uac"
    headers = [("Session-Expires", f"{interval};refresher={refresher}")]
    if not ours:
        headers.append(("Require", "timer"))
    return SessionTimer(interval, ours), headers


def ask(interval_s: int, min_se_s: int, current: SessionTimer | None) -> list[tuple[str, str]]:
    """The headers of our INVITE or UPDATE (RFC 4028 7.1, 7.4): in a session that has a timer
    the roles stay, in a new one the peer chooses."""
    value = str(interval_s)
    if current is not None and current.interval_s:
        value += ";refresher=uac" if current.ours else ";refresher=uas"
    headers = [("Session-Expires", value)]
    if min_se_s > MIN_SE_S:
        headers.append(("Min-SE", str(min_se_s)))
    return headers


def as_client(response: Response, asked_s: int) -> SessionTimer:
    """The timer that a 2xx to our INVITE or UPDATE sets (RFC 4028 7.2).

    A peer that does not know timers says nothing; then we refresh, which it cannot tell
    from any other re-INVITE. A malformed Session-Expires counts as none.
    """
    try:
        granted = response.session_expires
    except ParseError:
        granted = None
    if granted is None:
        return SessionTimer(asked_s, True)
    return SessionTimer(max(granted[0], _INTERVAL_S_MIN), granted[1] != "uas")
