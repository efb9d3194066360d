"""Dialogs (RFC 3261 12): identity, sequence numbers, route set, remote target, next hop."""

from __future__ import annotations

import contextlib
import ipaddress
from dataclasses import dataclass, field
from functools import lru_cache

from config.errors import PeerError
from router.sip.effects import Flow
from router.sip.message import Headers, ParseError, Request, Response, Uri
from router.sip.target import flow_of

EARLY_DIALOGS_MAX = 16  # forks of one INVITE that we keep apart


@dataclass(slots=True)
class Dialog:
    """One dialog as plain data.

    ``local`` and ``remote`` are the From and To of our requests, tags included, as text.
    ``target`` is the peer's Contact; ``routes`` are Route values. ``flow`` is the path that the
    dialog was made over; a ``pinned`` one takes it always (a phone behind NAT).
    """

    call_id: str
    local_tag: str
    remote_tag: str
    local: str
    remote: str
    target: str
    routes: tuple[str, ...]
    flow: Flow
    pinned: bool
    initiator: bool  # the Call-ID is ours
    local_cseq: int
    remote_cseq: int = -1  # nothing received yet
    allow: frozenset[str] = field(default_factory=frozenset)
    rseq: int = -1  # the last reliable provisional response taken in order
    hop: Flow | None = None  # memory of next_hop


def of_invite(request: Request, flow: Flow, tag: str, pinned: bool) -> Dialog:
    """The UAS's side of a dialog (12.1.1). ParseError for what it cannot be made of."""
    if len(request.contacts) > 1:
        raise ParseError("INVITE needs one Contact")
    # without one (RFC 2543) the From is where the peer is
    contact = request.contact or request.from_
    contact.target()
    to = request.headers.first("To") or ""
    return Dialog(
        call_id=request.call_id,
        local_tag=tag,
        remote_tag=request.from_.tag or "",
        local=f"{to};tag={tag}",
        remote=request.headers.first("From") or "",
        target=contact.uri,
        routes=_route_values(request),
        flow=flow,
        pinned=pinned,
        initiator=False,
        local_cseq=0,
        remote_cseq=request.cseq.number,
        allow=request.allow,
    )


def of_response(seed: Dialog, response: Response) -> Dialog:
    """The UAC's side (12.1.2): one dialog for each To tag; ``seed`` is what the INVITE knows."""
    dialog = Dialog(
        call_id=seed.call_id,
        local_tag=seed.local_tag,
        remote_tag=response.to.tag or "",
        local=seed.local,
        remote=response.headers.first("To") or "",
        target=seed.target,
        routes=tuple(reversed(_route_values(response))),
        flow=seed.flow,
        pinned=seed.pinned,
        initiator=True,
        local_cseq=seed.local_cseq,
    )
    refresh_target(dialog, response)
    return dialog


def confirm(dialog: Dialog, response: Response) -> None:
    """The 2xx fixes route set (13.2.2.4), remote target and what the peer can do."""
    dialog.routes = tuple(reversed(_route_values(response)))
    refresh_target(dialog, response)


def refresh_target(dialog: Dialog, message: Request | Response) -> None:
    """A target refresh request, or the 2xx to ours (12.2.1.2, 12.2.2).

    A malformed Contact changes nothing.
    """
    target = _contact_of(message)
    if target and target != dialog.target:
        dialog.target = target
        dialog.hop = None
    with contextlib.suppress(ParseError):
        if "Allow" in message.headers:
            dialog.allow = message.allow


def request_in(
    dialog: Dialog,
    method: str,
    extra: list[tuple[str, str]],
    body: bytes = b"",
    cseq: int | None = None,
) -> Request:
    """A request within the dialog (12.2.1.1). ``extra`` has canonical names. Without ``cseq``
    (ACK and nothing else has one) the local sequence number goes up."""
    if cseq is None:
        dialog.local_cseq += 1
        cseq = dialog.local_cseq
    uri = dialog.target
    routes = dialog.routes
    if routes and not _is_loose(routes[0]):
        # 12.2.1.1: a strict router gets itself as Request-URI, the target goes last
        uri, routes = _bare(routes[0]), (*routes[1:], f"<{uri}>")
    items = [
        ("Max-Forwards", "70"),
        ("From", dialog.local),
        ("To", dialog.remote),
        ("Call-ID", dialog.call_id),
        ("CSeq", f"{cseq} {method}"),
    ]
    items += [("Route", route) for route in routes]
    items += extra
    return Request(method, uri, Headers.of_canonical(items), body)


def next_hop(dialog: Dialog) -> Flow:
    """Where the dialog's requests go: a pinned one over its flow; else to the first route or
    the remote target (12.2.1.1), over the flow we have where that is the same place."""
    if dialog.pinned:
        return dialog.flow
    if dialog.hop is None:
        dialog.hop = _resolve(dialog)
    return dialog.hop


def _resolve(dialog: Dialog) -> Flow:
    flow = dialog.flow
    text = _bare(dialog.routes[0]) if dialog.routes else dialog.target
    try:
        uri = Uri.parse(text)
        hop = flow_of(uri, flow.listener)
    except PeerError:
        return flow
    if flow.transport == "tcp" and uri.transport is None and hop.host == flow.host:
        # a peer that came by TCP and does not say so in its Contact: it means what it does
        hop = Flow("tcp", hop.host, hop.port, -1, flow.listener)
    if not dialog.routes and _is_out_of_reach(hop.host, flow.host):
        return flow
    if hop.transport == flow.transport and hop.host == flow.host:
        # a stream that is open is used again, whatever port it has (18.4 and RFC 5923)
        if flow.transport == "tcp" and flow.connection > 0:
            return flow
        if hop.port == flow.port:
            return flow
    if hop.transport != flow.transport:
        # our listeners are numbered across transports: the number says nothing here
        return Flow(hop.transport, hop.host, hop.port, hop.connection)
    return hop


@lru_cache(maxsize=1024)
def _is_out_of_reach(host: str, source: str) -> bool:
    """A Contact that cannot be meant: an unspecified address, or a private one of a peer that
    talks to us from a public one."""
    try:
        address, seen = ipaddress.ip_address(host), ipaddress.ip_address(source)
    except ValueError:
        return False
    return address.is_unspecified or (address.is_private and seen.is_global)


def comes_from(dialog: Dialog, flow: Flow) -> None:
    """A request of the peer came over ``flow``: where that is our only way back (NAT, a stream),
    it is the way from now on."""
    old = dialog.flow
    if flow == old:
        return
    same_host = flow.transport == old.transport == "tcp" and flow.host == old.host
    if dialog.pinned or (same_host and not dialog.routes):
        dialog.flow = flow
        dialog.hop = None


def stream_is_gone(dialog: Dialog, connection: int) -> bool:
    """The stream of the dialog's flow closed: ask for a new one, to the remote target's port.
    False where it takes another."""
    if dialog.flow.connection != connection or dialog.flow.transport != "tcp":
        return False
    flow = dialog.flow
    port = flow.port
    with contextlib.suppress(PeerError):
        port = flow_of(Uri.parse(dialog.target), flow.listener).port
    dialog.flow = Flow(flow.transport, flow.host, port, -1, flow.listener)
    dialog.hop = None
    return True


def _contact_of(message: Request | Response) -> str:
    """The remote target that a message names; "" where it is missing or malformed."""
    try:
        contact = message.contact
        if contact is None:
            return ""
        contact.target()
    except ParseError:
        return ""
    return contact.uri


def _route_values(message: Request | Response) -> tuple[str, ...]:
    if message.headers.first("Record-Route") is None:
        return ()
    return tuple(str(route) for route in message.record_routes)


def _bare(route: str) -> str:
    start = route.find("<") + 1
    return route[start : route.find(">", start)]


def _is_loose(route: str) -> bool:
    try:
        return "lr" in Uri.parse(_bare(route)).params
    except ParseError:
        return True
