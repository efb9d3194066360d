"""An INVITE that makes a leg: what is checked, who calls, what the call layer learns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from router.sip.core import ALLOW, OPTION_TAGS, SDP, Core
from router.sip.dialog import of_invite
from router.sip.effects import HOPS, Flow, Invited
from router.sip.leg import Leg
from router.sip.message import NameAddr, ParseError, Request
from router.sip.session_timer import MIN_SE_S, too_small

_WORD_MAX = 128  # characters of a number or a name that the call layer sees
_SHOWN_MAX = 16  # headers handed to the call layer
_SHOWN = frozenset(
    {"Diversion", "History-Info", "Alert-Info", "Call-Info", "Referred-By", "Subject"}
)

# what is due instead of taking a request: status and headers; None takes it
Refusal = tuple[int, list[tuple[str, str]]] | None


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom a request outside a dialog comes from."""

    kind: Literal["trunk", "agent"]
    name: str
    pinned: bool  # answers and later requests keep to the flow it came by


def refusal_of_extensions(request: Request) -> Refusal:
    """420 where the request requires what we do not know (RFC 3261 8.2.2.3)."""
    unknown = (request.require | request.proxy_require) - OPTION_TAGS
    if unknown:
        return 420, [("Unsupported", ", ".join(sorted(unknown)))]
    return None


def refusal_of_content(request: Request) -> Refusal:
    """415 for a body that is no plain session description, 406 for a peer that takes none
    (RFC 3261 8.2.3, 21.4.7)."""
    headers = request.headers
    if request.body:
        encoding = headers.first("Content-Encoding")
        if encoding is not None and encoding.strip().lower() != "identity":
            return 415, [("Accept-Encoding", "identity"), ("Accept", SDP)]
        if request.content_type != SDP:
            return 415, [("Accept", SDP)]
    accept = headers.first("Accept")
    if accept:
        kinds = {
            part.partition(";")[0].strip().lower()
            for part in ",".join(headers.get_all("Accept")).split(",")
        }
        if not kinds & {SDP, "application/*", "*/*"}:
            return 406, []
    return None


def on_invite(core: Core, tx: str, request: Request, flow: Flow, peer: Peer, now: float) -> None:
    """A new leg, or the refusal that is due. ParseError where a header is malformed."""
    refused = refusal_of_extensions(request) or refusal_of_content(request)
    if refused is None and too_small(request):
        refused = 422, [("Min-SE", str(MIN_SE_S))]  # RFC 4028 9
    limits = core.settings.limits
    if refused is None and len(core.tags) >= limits.dialogs_max:
        refused = 503, [("Retry-After", str(limits.retry_after_s))]
    if refused is not None:
        core.respond(tx, request, refused[0], now, headers=refused[1])
        return
    event = _invited(core.token(), request, flow, peer)
    lifetime = request.expires
    leg = Leg(
        id=event.leg,
        state="invited",
        incoming=True,
        dialog=of_invite(request, flow, core.name_of(event.leg, "tag"), peer.pinned),
        invite=request,
        tx=tx,
        received=request.body,
        session_s=core.settings.session_expires_s,
        min_se_s=max(MIN_SE_S, request.min_se or 0),
        exchange="theirs" if request.body else "none",
    )
    core.keep(leg)
    core.transactions.own(tx, leg.id)
    core.invited[tx] = leg
    if lifetime:
        core.alarms.set(leg.id, "invite expires", now + lifetime)  # RFC 3261 13.3.1
    core.tell(event)


def _invited(leg: str, request: Request, flow: Flow, peer: Peer) -> Invited:
    who = request.from_
    hops = request.max_forwards
    if peer.kind == "trunk":
        # RFC 3325 9.1: the trunk is trusted, its word is better than the phone's From
        asserted = request.asserted_identities
        who = asserted[0] if asserted else who
    return Invited(
        leg=leg,
        trunk=peer.name if peer.kind == "trunk" else "",
        agent=peer.name if peer.kind == "agent" else "",
        caller=peer.name if peer.kind == "agent" else _number_of(who),
        caller_name=word(who.display or request.from_.display),
        dialled=number_of_user(request.target.user),
        body=request.body,
        sip_call_id=request.call_id,
        source=flow.host,
        replaces=request.headers.first("Replaces") or "",
        headers=_shown(request),
        max_forwards=HOPS if hops is None else min(hops, HOPS),
    )


def _number_of(address: NameAddr) -> str:
    try:
        return number_of_user(address.target().user)
    except ParseError:
        return ""


def number_of_user(user: str) -> str:
    """The number in a user part: without parameters (RFC 3966), escapes and visual marks."""
    return word(unquote(user.partition(";")[0]))


def word(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())[:_WORD_MAX]


def _shown(request: Request) -> dict[str, str]:
    shown: dict[str, str] = {}
    for name, value in request.headers:
        if (name in _SHOWN or name.startswith("X-")) and len(shown) < _SHOWN_MAX:
            shown.setdefault(name, value)
    return shown


def on_options(core: Core, tx: str, request: Request, now: float, tag: str | None) -> None:
    """What we can do (RFC 3261 11.2)."""
    headers = [
        ("Allow", ALLOW),
        ("Accept", SDP),
        ("Accept-Encoding", "identity"),
        ("Accept-Language", "en"),
        ("Supported", ", ".join(sorted(OPTION_TAGS))),
    ]
    core.respond(tx, request, 200, now, headers=headers, tag=tag)
