"""What a UAS decides from one request alone: its key, where answers go, answers without state."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2s

from router.sip.effects import Flow, Send
from router.sip.errors import ParseError
from router.sip.message import Request, mark_received, response_to
from router.sip.values import Via

COOKIE = "z9hG4bK"
SIP_PORT = 5060


def has_rfc3261_branch(via: Via) -> bool:
    """The branch is globally unique (RFC 3261 8.1.1.7). The bare cookie is not (RFC 4475 3.2.1),
    so it counts as RFC 2543."""
    branch = via.branch
    return branch is not None and branch.startswith(COOKIE) and len(branch) > len(COOKIE)


def server_key(request: Request, method: str) -> str:
    """What matches a request to its server transaction of ``method`` (RFC 3261 17.2.3).

    Take it before ``mark_received`` changes the Via: RFC 2543 peers are known by the whole
    of it. The To tag, which 17.2.3 names for them as well, differs between INVITE and ACK and
    is compared by the caller.
    """
    via = request.via
    if has_rfc3261_branch(via):
        return f"s|{via.branch}|{via.host.lower()}:{via.port}|{method}"
    tag = request.from_.tag
    top = request.headers.get("Via")
    return f"s|{request.uri}|{tag}|{request.call_id}|{request.cseq.number}|{top}|{method}"


def reply_flow(via: Via, flow: Flow) -> Flow:
    """Where the responses to a request go (RFC 3261 18.2.2, RFC 3581 4).

    The connection it came in on; for UDP the source when rport was asked for, otherwise the
    source host and the sent-by port. maddr is ignored: no multicast here, and a peer does not
    choose whom we send to.
    """
    if flow.transport == "udp" and not via.wants_rport:
        port = via.port or SIP_PORT
        if port != flow.port:
            return Flow("udp", flow.host, port, 0, flow.listener)
    return flow


def stateless_tag(request: Request) -> str:
    """A To tag that is the same for every retransmission of a request (RFC 3261 8.2.7)."""
    headers = request.headers
    names = ("Via", "From", "Call-ID", "CSeq")
    text = "\n".join(headers.get(name) or "" for name in names)
    return blake2s(text.encode("utf-8", "replace"), digest_size=8).hexdigest()


def answer(
    request: Request,
    flow: Flow,
    status: int,
    reason: str | None = None,
    *,
    headers: Iterable[tuple[str, str]] = (),
    to_tag: str | None = None,
) -> list[Send]:
    """A response without a transaction; nothing to an ACK, nothing without a usable top Via."""
    if request.method == "ACK":
        return []
    try:
        via = request.via
        tag = to_tag or stateless_tag(request)
        mark_received(request, flow.host, flow.port)
    except ParseError:
        return []
    response = response_to(request, status, reason, tag, headers)
    return [Send(reply_flow(via, flow), response.encode())]


def answer_unparsable(error: ParseError, flow: Flow) -> list[Send]:
    """Answer what could not be parsed, where the request in ``error`` is fit to be answered.

    413 gets no Retry-After: the same message is too large at any time.
    """
    if error.request is None:
        return []
    return answer(error.request, flow, error.status, error.reason)
