"""What each kind of alarm of a leg does."""

from __future__ import annotations

from collections.abc import Callable

from router.sip import changes, reliable, useragent
from router.sip.core import Core
from router.sip.leg import Leg
from router.sip.useragent import Why, fire


def on_alarm(core: Core, owner: str, kind: str, now: float) -> None:
    """An alarm went off: of a leg, or (``settle``, ``resend``) of one of our requests."""
    if kind == "settle":
        core.outstanding.pop(owner, None)
        return
    if kind == "resend":
        core.take(core.transactions.resend(owner))
        return
    leg = core.legs.get(owner)
    if leg is not None:
        _KINDS[kind](core, leg, now)


def _invite_expires(core: Core, leg: Leg, now: float) -> None:
    fire(core, leg, "cancelled", now, Why(cause="cancel"))


def _provisional(core: Core, leg: Leg, now: float) -> None:
    """Once a minute, lest a proxy gives the INVITE up (RFC 3261 13.3.1.1)."""
    if leg.state == "invited":
        reliable.progress(core, leg, leg.provisional, "", b"", now)


def _expire(core: Core, leg: Leg, now: float) -> None:
    fire(core, leg, "expired", now, Why(cause="session expired"))


_KINDS: dict[str, Callable[[Core, Leg, float], None]] = {
    "2xx": useragent.repeat_2xx,
    "reliable": reliable.repeat,
    "provisional": _provisional,
    "refresh": changes.refresh,
    "expire": _expire,
    "again": changes.pump,
    "invite expires": _invite_expires,
}
