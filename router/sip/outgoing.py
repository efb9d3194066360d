"""Our INVITE that makes a leg: sending it, and what each response to it means."""

from __future__ import annotations

from urllib.parse import quote

from router.sip.core import ALLOW, GIVE_UP_S, SDP, SUPPORTED, Core
from router.sip.dialog import EARLY_DIALOGS_MAX, Dialog, confirm, of_response
from router.sip.effects import Progressed
from router.sip.leg import Leg, Outstanding
from router.sip.lexical import quote as quoted
from router.sip.message import Headers, ParseError, Request, Response, Uri
from router.sip.redirection import contacts_of
from router.sip.reliable import prove
from router.sip.session_timer import MIN_SE_S, as_client, ask
from router.sip.target import Credentials, Target
from router.sip.useragent import Why, end_fork, fire, start_timer

_USER_SAFE = "-_.!~*'()&=+$,;?/#"  # RFC 3261 25.1, and '#'


def new_leg(
    core: Core,
    leg_id: str,
    target: Target,
    body: bytes,
    caller: str,
    caller_name: str,
    credentials: Credentials | None,
    headers: tuple[tuple[str, str], ...],
    max_forwards: int,
) -> Leg:
    """A leg about to call. ParseError for a target that is no SIP URI."""
    uri = Uri.parse(target.uri)
    tag, domain = core.name_of(leg_id, "tag"), core.settings.domain
    user = f"{quote(caller, safe=_USER_SAFE)}@" if caller else ""
    display = f"{quoted(caller_name)} " if caller_name else ""
    seed = Dialog(
        call_id=f"{core.name_of(leg_id, 'call')}@{domain}",
        local_tag=tag,
        remote_tag="",
        local=f"{display}<sip:{user}{domain}>;tag={tag}",
        remote=f"<{Uri(uri.scheme, uri.user, host=uri.host, port=uri.port)}>",
        target=target.uri,
        routes=tuple(r if "<" in r else f"<{r}>" for r in target.route),
        flow=target.flow,
        pinned=target.pinned,
        initiator=True,
        local_cseq=0,
    )
    leg = Leg(
        id=leg_id,
        state="calling",
        incoming=False,
        dialog=seed,
        invite=Request("INVITE", target.uri, Headers(headers)),
        tx="",
        credentials=credentials,
        session_s=core.settings.session_expires_s,
        min_se_s=MIN_SE_S,
        sent=body,
        exchange="ours" if body else "none",
        max_forwards=max_forwards,
    )
    core.keep(leg)
    return leg


def send_invite(core: Core, leg: Leg, now: float) -> None:
    """The first INVITE, or the next one after a 422."""
    seed = leg.dialog
    seed.local_cseq += 1
    items = [
        ("Max-Forwards", str(leg.max_forwards)),
        ("From", seed.local),
        ("To", seed.remote),
        ("Call-ID", seed.call_id),
        ("CSeq", f"{seed.local_cseq} INVITE"),
        ("Contact", core.contact(seed.flow)),
        *[("Route", route) for route in seed.routes],
        ("Allow", ALLOW),
        # an offer in a reliable response would want its answer in the PRACK: not asked for
        ("Supported", SUPPORTED if leg.sent else SUPPORTED.removeprefix("100rel, ")),
        *ask(leg.session_s, leg.min_se_s, None),
        ("User-Agent", core.settings.user_agent),
        *leg.invite.headers,
    ]
    if leg.sent:
        items.append(("Content-Type", SDP))
    request = Request("INVITE", seed.target, Headers.of_canonical(items), leg.sent)
    leg.tx = core.start(Outstanding("invite", leg, seed, request, seed.flow), now)


def on_response(core: Core, call: Outstanding, response: Response, now: float) -> None:
    """A response to the INVITE of a leg. ParseError where what matters in it is malformed."""
    if response.status < 200:
        if response.status > 100:
            _on_provisional(core, call, response, now)
    elif response.status < 300:
        _on_2xx(core, call, response, now)
    else:
        call.settled = True
        _on_refusal(core, call, response, now)


def _fork(core: Core, leg: Leg, response: Response) -> Dialog | None:
    """The early dialog of a response, made when its tag is new; None beyond the limit."""
    tag = response.to.tag or ""
    dialog = leg.forks.get(tag)
    if dialog is None and len(leg.forks) < EARLY_DIALOGS_MAX:
        dialog = leg.forks[tag] = of_response(leg.dialog, response)
        core.ledger.touch(leg.id)
    return dialog


def _on_provisional(core: Core, call: Outstanding, response: Response, now: float) -> None:
    leg = call.leg
    if leg.state not in ("calling", "cancelling"):
        return
    if response.to.tag:
        dialog = _fork(core, leg, response)
        if dialog is None or not prove(core, call, dialog, response, now):
            return
        if response.body and "100rel" in response.require:
            leg.exchange = "stable"
    if leg.state == "calling":
        core.tell(Progressed(leg.id, response.status, _described(response)))


def _described(response: Response) -> bytes:
    return response.body if response.content_type == SDP else b""


def _on_2xx(core: Core, call: Outstanding, response: Response, now: float) -> None:
    leg = call.leg
    tag = response.to.tag or ""
    if core.acknowledge_again(call, tag):
        return  # RFC 3261 13.2.2.4: each repetition gets the ACK again
    if leg.state not in ("calling", "cancelling"):
        if leg.state != "owing" or leg.dialog.remote_tag != tag:
            end_fork(core, call, of_response(call.dialog, response), now)
        return
    dialog = leg.forks.get(tag)
    if dialog is None:
        dialog = of_response(leg.dialog, response)
    confirm(dialog, response)
    call.settled = True  # not before the 2xx was read: one that cannot be ends the leg
    core.alarms.set(leg.tx, "settle", now + GIVE_UP_S)
    leg.dialog = dialog
    leg.forks.clear()
    body = _described(response)
    if body:
        leg.received = body
    start_timer(core, leg, as_client(response, leg.session_s), now)
    if leg.sent:
        leg.exchange = "stable"
        fire(core, leg, "accepted", now, Why(body=body))
    else:
        leg.exchange = "theirs"
        fire(core, leg, "accepted-late", now, Why(body=body))


def _on_refusal(core: Core, call: Outstanding, response: Response, now: float) -> None:
    leg = call.leg
    if leg.state == "calling" and response.status == 422 and _wants_longer(leg, response):
        leg.forks.clear()
        send_invite(core, leg, now)
        return
    try:
        retry_after = response.retry_after
    except ParseError:
        retry_after = None  # the refusal stands without it
    why = Why(
        status=response.status,
        reason=response.reason,
        # who was hung up on is not called elsewhere
        contacts=contacts_of(response, call.request.uri) if leg.state == "calling" else (),
        retry_after_s=retry_after,
    )
    fire(core, leg, "refused", now, why)


def _wants_longer(leg: Leg, response: Response) -> bool:
    """RFC 4028 7.3: try again with the Min-SE of the 422, if it asks for more than we did."""
    wanted = response.min_se or 0
    if wanted <= leg.min_se_s:
        return False
    leg.min_se_s = wanted
    leg.session_s = max(leg.session_s, wanted)
    return True


def on_failure(core: Core, call: Outstanding, status: int, now: float) -> None:
    """No response (408) or no transport (503): RFC 3261 8.1.3.1. Of an INVITE that we cancelled
    it is the end we asked for (9.1)."""
    if call.settled:
        return
    if call.leg.state == "cancelling":
        fire(core, call.leg, "refused", now, Why(status=487, reason="Request Terminated"))
    else:
        reason = "Request Timeout" if status == 408 else "Service Unavailable"
        fire(core, call.leg, "refused", now, Why(status=status, reason=reason))
