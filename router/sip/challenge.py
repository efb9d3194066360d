"""Answering a 401 or 407 to a request of ours (RFC 3261 22.2, RFC 7616 3.3)."""

from __future__ import annotations

from dataclasses import replace

from router.sip.core import Core
from router.sip.digest import answer_challenge, parse_credentials
from router.sip.leg import Outstanding
from router.sip.message import ParseError, Request, Response

_TRIES_MAX = 4  # challenges to one request, stale nonces included


def authorise(core: Core, tx: str, call: Outstanding, response: Response, now: float) -> bool:
    """Send the request again with credentials; False where the challenge stands as a refusal.

    That is: we have no credentials, they were refused (a challenge follows ours and does not
    say that the nonce was stale), or the leg was hung up meanwhile.
    """
    leg, request = call.leg, call.request
    credentials = leg.credentials
    if credentials is None or len(call.nonces) >= _TRIES_MAX:
        return False
    if call.purpose == "invite" and leg.state != "calling":
        return False
    asks, answers = "WWW-Authenticate", "Authorization"
    if response.status == 407:
        asks, answers = "Proxy-Authenticate", "Proxy-Authorization"
    values = response.headers.get_all(asks)
    nonce, stale = _read(values)
    if nonce in call.nonces or (answers in request.headers and not stale):
        return False
    try:
        value = answer_challenge(
            values,
            request.method,
            request.uri,
            credentials.user,
            credentials.ha1 or credentials.password,
            1,
            _cnonce(core, call),
        )
    except ParseError:
        return False
    dialog = call.dialog
    dialog.local_cseq += 1
    headers = request.headers.copy()
    headers.remove("Via")
    headers.set("CSeq", f"{dialog.local_cseq} {request.method}")
    headers.set(answers, value)
    again = replace(
        call,
        request=Request(request.method, request.uri, headers, request.body),
        nonces=(*call.nonces, nonce),
        acks={},
    )
    _follow(call, tx, core.start(again, now))
    return True


def _cnonce(core: Core, call: Outstanding) -> str:
    """An INVITE that is sent anew after a crash must be the same one (RFC 3261 17.1.1)."""
    if call.purpose == "invite":
        return core.name_of(call.leg.id, f"cnonce {call.request.cseq.number}")
    return core.token()


def _read(values: list[str]) -> tuple[str, bool]:
    """The nonce of a challenge, and whether it says that the last one was stale."""
    for value in values:
        try:
            found = parse_credentials(value)
        except ParseError:
            continue
        return found.get("nonce", ""), found.get("stale", "").lower() == "true"
    return "", False


def _follow(call: Outstanding, old: str, new: str) -> None:
    """What named the old transaction names the new one."""
    leg = call.leg
    if leg.tx == old:
        leg.tx = new
        leg.forks.clear()
    if leg.changing == old:
        leg.changing = new
    if leg.leaving == old:
        leg.leaving = new
