"""Any caller in any flow: the machine never raises, always waits or ends, and gives up in time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import get_args
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from config.hours import Schedule
from ivr.actions import (
    Action,
    DialEnded,
    Digit,
    HangUp,
    Input,
    LookupDone,
    LookupFailed,
    PlayEnded,
    QueueLeft,
    Tick,
    VoicemailEnded,
)
from ivr.flow import (
    BranchNode,
    CallbackNode,
    Case,
    CollectNode,
    DialNode,
    Flow,
    HangUpNode,
    HoursNode,
    Keys,
    Line,
    LookupNode,
    MenuNode,
    Node,
    QueueNode,
    SayNode,
    SetNode,
    VoicemailNode,
)
from ivr.machine import AHEAD_MAX, TABLE, start, step
from ivr.position import CallerFacts, Position, WaitingFor, hidden, journaled

NAMES = ("a", "b", "c", "d", "e")
WAYS = st.sampled_from((*NAMES, "", "nowhere"))
KEY = st.sampled_from("0123456789*#")
LINES = st.lists(
    st.builds(
        Line,
        st.sampled_from(("text", "phrase", "number", "digits", "audio")),
        st.sampled_from(("hello", "{x}", "{caller}", "12", "")),
    ),
    max_size=3,
).map(tuple)
TEXT = st.sampled_from(("", "1", "{x}", "{caller}{pin}", "{y}"))
VARIABLE = st.sampled_from(("x", "y", "language", "caller", "result"))
RETRIES = st.integers(0, 3)
FLAG = st.booleans()


@st.composite
def keys_asked(draw: st.DrawFn) -> Keys:
    least = draw(st.integers(1, 4))
    return Keys(
        draw(LINES),
        least,
        draw(st.integers(least, 6)),
        draw(st.sampled_from(("#", "*", ""))),
        retries=draw(RETRIES),
        confirm=draw(FLAG),
        hidden=draw(FLAG),
        barge_in=draw(FLAG),
    )


CASES = st.lists(
    st.builds(
        Case,
        VARIABLE,
        st.sampled_from(("prefix", "equals", "in", "at_least")),
        st.lists(st.sampled_from(("1", "", "+3")), min_size=1, max_size=2).map(tuple),
        WAYS,
    ),
    max_size=3,
).map(tuple)
ALWAYS = Schedule(ZoneInfo("Europe/Riga"), (((540, 1080),),) * 7)  # type: ignore[arg-type]
CHOICES = st.dictionaries(st.text("0123*#", min_size=1, max_size=3), WAYS, max_size=4)
ON = st.dictionaries(st.sampled_from(("busy", "answered", "overflow")), WAYS, max_size=2)
NODE: st.SearchStrategy[Node] = st.one_of(
    st.builds(SayNode, LINES, WAYS, FLAG),
    st.builds(
        MenuNode,
        LINES,
        CHOICES,
        retries=RETRIES,
        on_timeout=WAYS,
        on_invalid=WAYS,
        barge_in=FLAG,
    ),
    st.builds(CollectNode, keys_asked(), st.sampled_from(("x", "pin")), WAYS, WAYS),
    st.builds(HoursNode, st.just(ALWAYS), WAYS, WAYS, WAYS),
    st.builds(SetNode, st.dictionaries(VARIABLE, TEXT, max_size=3), WAYS),
    st.builds(BranchNode, CASES, WAYS),
    st.builds(
        LookupNode,
        st.just("http://h/{x}"),
        st.just("GET"),
        st.just(3.0),
        st.dictionaries(VARIABLE, st.sampled_from(("a", "a.0.b", "")), max_size=2),
        WAYS,
        WAYS,
        prompt=LINES,
    ),
    st.builds(QueueNode, st.just("q"), on=ON, next=WAYS, prompt=LINES),
    st.builds(DialNode, TEXT, on=ON, next=WAYS),
    st.builds(VoicemailNode, LINES, next=WAYS),
    st.builds(CallbackNode, st.just("q"), st.sampled_from(("caller", "ask")), keys_asked(), LINES),
    st.builds(HangUpNode, LINES),
)
FLOW = st.fixed_dictionaries(dict.fromkeys(NAMES, NODE)).map(
    lambda nodes: Flow("f", "a", nodes, languages=frozenset({"en", "lv"}))
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.just("a"), inner, max_size=1),
    max_leaves=4,
)
EVENT: st.SearchStrategy[Input] = st.one_of(
    st.builds(Digit, KEY),
    st.builds(Digit, KEY),
    st.just(PlayEnded()),
    st.just(Tick()),
    st.builds(LookupDone, st.dictionaries(st.sampled_from(("a", "b")), JSON, max_size=2)),
    st.just(LookupFailed("x")),
    st.builds(DialEnded, st.sampled_from(("busy", "answered", "odd"))),
    st.builds(QueueLeft, st.sampled_from(("overflow", "odd"))),
    st.just(VoicemailEnded()),
    st.builds(Digit, st.text(max_size=2)),
)
WAITS = st.sampled_from((0.0, 0.5, 7.0, 1000.0))
STATES: tuple[WaitingFor, ...] = get_args(WaitingFor)


def check(flow: Flow, at: Position, done: Sequence[Action]) -> None:
    """What holds after every step."""
    over = [action for action in done if isinstance(action, HangUp)]
    assert at.ended == bool(over)
    assert not over or (len(over) == 1 and done[-1] is over[0])
    assert len(at.ahead) <= AHEAD_MAX
    assert len(at.collected) <= 6
    if at.waiting_for not in ("ended", "queue", "dial"):
        assert at.deadline is not None
    if at.ended:
        assert at.deadline is None
        assert not at.secrets
    else:
        node = flow.nodes[at.node]
        if isinstance(node, MenuNode):
            assert at.attempts <= node.retries
        elif isinstance(node, CollectNode | CallbackNode):
            assert at.attempts <= node.keys.retries
    kept = journaled(flow, at)
    json.dumps(asdict(kept))
    assert not kept.secrets
    if hidden(flow, at):
        assert not kept.collected
        assert not kept.ahead


@settings(max_examples=150, deadline=None)
@given(FLOW, st.lists(st.tuples(EVENT, WAITS), max_size=40), st.sampled_from(("+371200", "anon")))
def test_any_caller_in_any_flow(flow: Flow, life: list[tuple[Input, float]], caller: str) -> None:
    now = 1_700_000_000.0
    at, done = start(flow, CallerFacts(caller, "100"), now)
    check(flow, at, done)
    for event, passed in life:
        now += passed
        was = at
        at, done = step(flow, at, event, now)
        if was.ended:
            assert (at, done) == (was, [])
        else:
            check(flow, at, done)
            assert at.deadline in (None, was.deadline) or at.deadline > now


@settings(max_examples=60, deadline=None)
@given(FLOW)
def test_a_silent_caller_does_not_stay_for_ever(flow: Flow) -> None:
    """Nothing but ends of prompts and deadlines: the call ends, or waits for somebody else."""
    now = 0.0
    at, _ = start(flow, CallerFacts("anon", "100"), now)
    for _ in range(5000):
        if at.ended or at.waiting_for in ("queue", "dial"):
            return
        at, _ = step(flow, at, PlayEnded(), now)
        if at.deadline is not None:
            now = max(now, at.deadline)
            at, _ = step(flow, at, Tick(), now)
    raise AssertionError(f"still in {at.node}")


@settings(max_examples=60, deadline=None)
@given(FLOW, st.lists(EVENT, max_size=10), st.sampled_from(STATES))
def test_the_whole_product_of_states_and_inputs(
    flow: Flow, events: list[Input], state: WaitingFor
) -> None:
    """An input that a state does not wait for changes nothing."""
    at = Position("f", "a", state, "en")
    for event in events:
        if (state, type(event)) not in TABLE:
            assert step(flow, at, event, 0.0) == (at, [])


def test_every_state_but_the_end_has_a_way_out() -> None:
    assert {state for state, _ in TABLE} == set(STATES) - {"ended"}
