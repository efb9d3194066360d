"""What each kind of node does on entry, and with what it waited for.

Functions return the name of the node to enter next, or None where the call waits or has ended.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from config import hours
from config.values import changed
from ivr import patterns
from ivr.actions import Dial, Enqueue, Lookup, Voicemail
from ivr.flow import (
    BranchNode,
    CallbackNode,
    Case,
    CollectNode,
    DialNode,
    Flow,
    HangUpNode,
    HoursNode,
    LookupNode,
    MenuNode,
    QueueNode,
    SayNode,
    SetNode,
    VoicemailNode,
)
from ivr.inputs import Next, ask, request_callback
from ivr.position import Position
from ivr.templates import expand, expand_header, expand_json, expand_url, names_in_json
from ivr.walk import PLAY_S_MAX, Walk

CHAIN_MAX = 64
ENTERED_MAX = 1000
GRACE_S = 2.0  # over a lookup's own limit, before a lost answer is taken for a failure

_OWN_NUMBER = re.compile(r"\+?[0-9]{3,15}")
_TARGET = re.compile(r"[+*#0-9A-Za-z._-]{1,64}")


def enter(walk: Walk, name: str) -> None:
    """Enter a node, and on through those that do not wait, until one waits or the flow ends."""
    following: Next = name
    for _ in range(CHAIN_MAX):
        node = walk.flow.nodes.get(following or "")
        if node is None:
            walk.fail("flow ended")
            return
        entered = walk.position.entered + 1
        walk.position = changed(
            walk.position, node=following or "", attempts=0, collected="", entered=entered
        )
        if entered > ENTERED_MAX:
            break
        following = ENTER[type(node)](walk, node)
        if following is None:
            return
    walk.fail("flow goes round for ever")


# --- on entry -------------------------------------------------------------------------------


def _say(walk: Walk, node: SayNode) -> Next:
    if node.barge_in and walk.position.ahead:
        return node.next  # who knows the way has no need to hear this
    return None if walk.say(walk.render(node.prompt), "play", node.barge_in) else node.next


def _ask(walk: Walk, node: MenuNode | CollectNode) -> Next:
    return ask(walk)


def _hours(walk: Walk, node: HoursNode) -> Next:
    match hours.state(node.schedule, walk.now):
        case "open":
            return node.open
        case "holiday":
            return node.holiday
        case _:
            return node.closed


def _set(walk: Walk, node: SetNode) -> Next:
    variables = walk.position.variables
    walk.assign({name: expand(text, variables) for name, text in node.values.items()})
    return node.next


def _branch(walk: Walk, node: BranchNode) -> Next:
    known = {**walk.position.variables, **walk.position.secrets}
    for case in node.cases:
        if _holds(case, known.get(case.variable, "")):
            return case.next
    return node.otherwise


def _holds(case: Case, value: str) -> bool:
    match case.test:
        case "prefix":
            return value.startswith(case.operands)
        case "matches":
            return any(patterns.matches(pattern, value) for pattern in case.operands)
        case "at_least":
            try:
                return float(value) >= float(case.operands[0])
            except ValueError:
                return False
        case _:
            return value in case.operands


def _lookup(walk: Walk, node: LookupNode) -> Next:
    walk.say(walk.render(node.prompt), "play", barge_in=False)
    walk.actions.append(_request(walk.position, node, node.timeout_s))
    walk.wait("lookup", node.timeout_s + GRACE_S)
    return None


def _request(position: Position, node: LookupNode, timeout_s: float) -> Lookup:
    public = position.variables
    known = {**public, **position.secrets}
    body = "" if node.body is None else json.dumps(expand_json(node.body, known))
    headers = {name: expand_header(text, known) for name, text in node.headers.items()}
    return Lookup(expand_url(node.url, public), node.method, timeout_s, body, headers)


def lookup_again(flow: Flow, position: Position, now: float) -> Lookup | None:
    """The lookup that a position waits for, with what is left of its time: whoever had it under
    way is gone. None where it may not be asked twice (RFC 9110 9.2.2: a POST), where it needs
    hidden input, which nobody wrote down, or where no time is left."""
    node = flow.nodes.get(position.node)
    if not isinstance(node, LookupNode) or node.method != "GET" or position.deadline is None:
        return None
    hidden = {n.save for n in flow.nodes.values() if isinstance(n, CollectNode) and n.keys.hidden}
    used = names_in_json((dict(node.headers), node.body))
    left_s = min(node.timeout_s, position.deadline - GRACE_S - now)
    if left_s <= 0 or not hidden.isdisjoint(used):
        return None
    return _request(position, node, left_s)


def _queue(walk: Walk, node: QueueNode) -> Next:
    known = walk.position.variables
    variables = {name: known[name] for name in node.variables if known.get(name)}
    prompts = walk.render(node.prompt)
    walk.actions.append(
        Enqueue(node.queue, node.priority, node.rank, dict(node.skills), variables, prompts)
    )
    walk.position = changed(walk.position, ahead="")
    walk.wait("queue")
    return None


def _dial(walk: Walk, node: DialNode) -> Next:
    walk.position = changed(walk.position, ahead="")
    target = expand(node.target, walk.position.variables)
    if _TARGET.fullmatch(target) is None:
        return left(walk, "failed")
    walk.actions.append(Dial(target, node.timeout_s, walk.render(node.prompt)))
    walk.wait("dial")
    return None


def _voicemail(walk: Walk, node: VoicemailNode) -> Next:
    walk.actions.append(Voicemail(walk.render(node.greeting), node.max_s))
    walk.position = changed(walk.position, ahead="")
    walk.wait("voicemail", PLAY_S_MAX + node.max_s)
    return None


def _callback(walk: Walk, node: CallbackNode) -> Next:
    own = walk.position.variables.get("caller", "")
    if node.number == "caller" and _OWN_NUMBER.fullmatch(own):
        return request_callback(walk, node, own)
    return ask(walk)


def _hang_up(walk: Walk, node: HangUpNode) -> Next:
    return walk.end(walk.render(node.prompt), completed=node.completed, reason=node.reason)


ENTER: dict[type, Callable[[Walk, Any], Next]] = {
    SayNode: _say,
    MenuNode: _ask,
    CollectNode: _ask,
    HoursNode: _hours,
    SetNode: _set,
    BranchNode: _branch,
    LookupNode: _lookup,
    QueueNode: _queue,
    DialNode: _dial,
    VoicemailNode: _voicemail,
    CallbackNode: _callback,
    HangUpNode: _hang_up,
}


# --- with what the node waited for ------------------------------------------------------------


def said(walk: Walk) -> Next:
    """The announcement is over."""
    return walk.node(SayNode).next


def looked_up(walk: Walk, answer: Mapping[str, Any]) -> Next:
    """Take the named fields from the answer; one that is missing is empty."""
    node = walk.node(LookupNode)
    found = {name: _text(_dig(answer, path)) for name, path in node.fields.items()}
    walk.assign({**found, "result": "ok"})
    return node.next


def lookup_failed(walk: Walk) -> Next:
    node = walk.node(LookupNode)
    walk.assign({"result": "failed"})
    return node.on_failure


def _dig(value: Any, path: str) -> Any:
    for word in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(word)
        elif isinstance(value, list) and word.isdigit() and int(word) < len(value):
            value = value[int(word)]
        else:
            return None
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else ""


def left(walk: Walk, reason: str) -> Next:
    """The call came back from a queue, a dialled party or a recorder."""
    walk.assign({"result": reason})
    match walk.flow.nodes[walk.position.node]:
        case QueueNode(on=on, next=following) | DialNode(on=on, next=following):
            target = on.get(reason, following)
            if target:
                return target
            if reason == "answered":
                return walk.end((), completed=True, reason="dialled party hung up")
            return walk.fail(f"{walk.position.node}: {reason}")
        case VoicemailNode(next=following):
            if following:
                return following
            return walk.end((walk.phrase("goodbye"),), completed=True, reason="voicemail")
        case _:
            return None
