"""The machine, node by node: what the caller hears and where the call goes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from config.hours import Schedule
from ivr.actions import (
    Action,
    Audio,
    Dial,
    DialEnded,
    Digit,
    Enqueue,
    HangUp,
    Input,
    Lookup,
    LookupDone,
    LookupFailed,
    Phrase,
    PlayEnded,
    QueueLeft,
    RequestCallback,
    Say,
    Speech,
    Tick,
    Voicemail,
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
from ivr.loader import SHIPPED_DIR, load_flows
from ivr.machine import start, step
from ivr.nodes import lookup_again
from ivr.position import CallerFacts, Position, hidden, journaled
from ivr.walk import PLAY_S_MAX

HELLO = (Line("text", "hello"),)
ASK = (Line("phrase", "enter-number"),)
BYE = HangUpNode((Line("phrase", "goodbye"),))


class Caller:
    """Drives a flow with a clock of its own and keeps what the last step did."""

    def __init__(self, nodes: Mapping[str, Node], **facts: object) -> None:
        self.flow = Flow("f", next(iter(nodes)), nodes, languages=frozenset({"en", "lv"}))
        self.now = 1000.0
        given = {"caller": "+37120000001", "dialled": "100", **facts}
        self.at, self.done = start(self.flow, CallerFacts(**given), self.now)  # type: ignore[arg-type]

    def take(self, event: Input) -> list[Action]:
        self.at, self.done = step(self.flow, self.at, event, self.now)
        return self.done

    def press(self, keys: str) -> list[Action]:
        for key in keys:
            self.take(Digit(key))
        return self.done

    def wait(self, seconds: float) -> list[Action]:
        self.now += seconds
        return self.take(Tick())


def menu(**changes: object) -> MenuNode:
    given = {"prompt": HELLO, "choices": {"1": "one", "2": "two", "23": "two"}, **changes}
    return MenuNode(**given)  # type: ignore[arg-type]


def ends(reason: str) -> HangUpNode:
    return HangUpNode(reason=reason)


def phrases(action: Action) -> list[str]:
    assert isinstance(action, Say | HangUp)
    return [prompt.name for prompt in action.prompts if isinstance(prompt, Phrase)]


def test_say_waits_for_its_end_then_goes_on() -> None:
    call = Caller({"hi": SayNode(HELLO, "bye"), "bye": BYE}, language="lv")
    assert call.done == [Say((Speech("hello", "lv"),), True)]
    assert (call.at.node, call.at.waiting_for) == ("hi", "play")
    assert call.take(PlayEnded()) == [HangUp((Phrase("goodbye", "lv"),), True, "flow ended")]
    assert call.at.ended
    assert call.take(Digit("1")) == []


def test_a_lost_report_of_the_end_does_not_hold_the_call() -> None:
    call = Caller({"hi": SayNode(HELLO, "bye"), "bye": BYE})
    assert call.wait(PLAY_S_MAX - 1) == []
    assert call.wait(1)
    assert call.at.ended


def test_prompts_take_values() -> None:
    lines = (
        Line("text", "Dear {name}, {unset}!"),
        Line("audio", "/a/b.wav"),
        Line("number", "{count}"),
        Line("digits", "{caller}"),
        Line("number", "2500"),
        Line("text", "{unset}"),
        Line("text", "labi", "lv"),
    )
    call = Caller(
        {"hi": SayNode(lines, "bye"), "bye": BYE}, variables={"name": "{caller}", "count": "42"}
    )
    assert call.done == [
        Say(
            (
                Speech("Dear {caller}, !", "en"),
                Audio("/a/b.wav"),
                Phrase("number-42", "en"),
                Phrase("digits-37120000001", "en"),
                Phrase("digits-2500", "en"),
                Speech("labi", "lv"),
            ),
            True,
        )
    ]


MENU = {"m": menu(), "one": ends("one"), "two": ends("two")}


def test_menu_choice_cuts_the_prompt() -> None:
    call = Caller(MENU)
    assert call.press("1") == [HangUp((), True, "one")]


def test_menu_without_barge_in_listens_only_after_the_prompt() -> None:
    call = Caller({**MENU, "m": menu(barge_in=False)})
    assert call.press("1") == []
    assert call.at.waiting_for == "prompt"
    call.take(PlayEnded())
    call.press("1")
    assert call.at.ended


def test_menu_deadline_runs_from_the_end_of_the_prompt() -> None:
    call = Caller(MENU)
    call.now += 30
    call.take(PlayEnded())
    assert call.at.deadline == call.now + 6
    assert call.wait(5.9) == []
    assert phrases(call.wait(0.1)[0]) == ["no-input"]
    assert call.at.attempts == 1


def test_a_choice_that_begins_another_waits_for_the_next_key() -> None:
    call = Caller(MENU)
    assert call.press("2") == []
    assert call.wait(2) == [HangUp((), True, "two")]
    call = Caller(MENU)
    assert call.press("23") == [HangUp((), True, "two")]
    call = Caller(MENU)
    assert phrases(call.press("24")[0]) == ["invalid"]


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_menu_gives_up_after_its_retries(retries: int) -> None:
    nodes = {**MENU, "m": menu(retries=retries, on_timeout="two", on_invalid="one")}
    call = Caller(nodes)
    for _ in range(retries):
        assert phrases(call.press("9")[0]) == ["invalid"]
    assert call.press("9") == [HangUp((), True, "one")]
    call = Caller(nodes)
    for _ in range(retries + 1):
        call.take(PlayEnded())
        call.wait(6)
    assert call.done == [HangUp((), True, "two")]


def test_menu_without_a_way_out_says_goodbye() -> None:
    call = Caller({**MENU, "m": menu(retries=0)})
    call.take(PlayEnded())
    assert call.wait(6) == [HangUp((Phrase("goodbye", "en"),), False, "no-input in m")]


def test_own_words_for_invalid_input() -> None:
    call = Caller({**MENU, "m": menu(invalid=(Line("text", "nope"),))})
    assert call.press("9") == [Say((Speech("nope", "en"), Speech("hello", "en")), True)]


def test_keys_ahead_skip_announcements_and_prompts() -> None:
    nodes = {
        "hi": SayNode(HELLO, "m"),
        **MENU,
        "m": menu(choices={"1": "n"}),
        "n": MenuNode(HELLO, {"2": "two"}),
        "one": ends("one"),
    }
    call = Caller(nodes)
    assert call.press("1") == [Say((Speech("hello", "en"),), True)]
    assert call.at.node == "n"
    assert call.press("2") == [HangUp((), True, "two")]


def test_keys_ahead_are_kept_during_a_lookup_and_bounded() -> None:
    look = LookupNode("http://x/", "GET", 3, {}, "hi", "hi")
    nodes = {"l": look, "hi": SayNode(HELLO, "m"), **MENU}
    call = Caller(nodes)
    call.press("9" * 100)
    assert len(call.at.ahead) == 32
    call = Caller(nodes)
    call.press("1")
    assert call.take(LookupDone({})) == [HangUp((), True, "one")]


def test_no_keys_ahead_through_an_announcement_that_must_be_heard() -> None:
    call = Caller({"hi": SayNode(HELLO, "m", barge_in=False), **MENU})
    assert call.press("1") == []
    call.take(PlayEnded())
    assert call.at.waiting_for == "prompt"


def collect(**changes: object) -> dict[str, Node]:
    given = {"prompt": ASK, "least": 2, "most": 4, **changes}
    return {
        "c": CollectNode(Keys(**given), "pin", "say", "fail"),  # type: ignore[arg-type]
        "say": HangUpNode((Line("digits", "{pin}"),)),
        "fail": ends("gave up"),
    }


def digits_said(call: Caller) -> str:
    action = call.done[-1]
    assert isinstance(action, HangUp)
    return "".join(phrases(action)).removeprefix("digits-")


@pytest.mark.parametrize(
    ("keys", "waited", "got"),
    [("12#", 0, "12"), ("1234", 0, "1234"), ("123", 3, "123"), ("19*23#", 0, "23")],
)
def test_collect_ends_by_terminator_length_or_pause(keys: str, waited: float, got: str) -> None:
    call = Caller(collect())
    call.press(keys)
    if waited:
        call.wait(waited)
    assert digits_said(call) == got


@pytest.mark.parametrize(("keys", "waited"), [("1#", 0), ("#", 0), ("1", 3), ("1A", 0)])
def test_collect_refuses_what_is_too_short_or_no_digit(keys: str, waited: float) -> None:
    call = Caller(collect(retries=1))
    for _ in range(2):
        call.press(keys)
        if waited:
            call.wait(waited)
    assert call.done == [HangUp((), True, "gave up")]


def test_collect_confirms() -> None:
    call = Caller(collect(confirm=True))
    assert phrases(call.press("12#")[0]) == ["you-entered", "digits-12", "confirm-or-again"]
    assert phrases(call.press("2")[0]) == ["again", "enter-number"]
    call.press("34#")
    assert digits_said_after(call, "1") == "34"


def digits_said_after(call: Caller, keys: str) -> str:
    call.press(keys)
    return digits_said(call)


def test_confirmation_is_bounded() -> None:
    call = Caller(collect(confirm=True, retries=2))
    call.press("12#")
    for _ in range(3):
        call.take(PlayEnded())
        call.wait(6)
    assert call.done == [HangUp((), True, "gave up")]


def test_hidden_keys_stay_inside() -> None:
    look = LookupNode(
        "https://h/{caller}", "POST", 3, {}, "fail", "fail", {"x-pin": "{pin}"}, {"pin": ["{pin}"]}
    )
    nodes = {**collect(hidden=True), "say": look}
    call = Caller(nodes)
    assert hidden(call.flow, call.at)
    call.press("98")
    assert journaled(call.flow, call.at).collected == ""
    assert "98" not in repr(call.at)
    done = call.press("76")
    assert done == [
        Lookup(
            "https://h/%2B37120000001", "POST", 3, json.dumps({"pin": ["9876"]}), {"x-pin": "9876"}
        )
    ]
    assert "9876" not in repr(call.at)
    assert "9876" not in repr(done)
    kept = journaled(call.flow, call.at)
    assert "9876" not in json.dumps([dict(kept.variables), dict(kept.secrets), kept.collected])
    call.take(LookupFailed("x"))
    assert call.at.secrets == {}


def test_keys_ahead_of_a_hidden_node_are_hidden_too() -> None:
    call = Caller({"hi": SayNode(HELLO, "c"), **collect(hidden=True)})
    assert hidden(call.flow, call.at)
    call = Caller({"hi": SayNode(HELLO, "m"), **MENU})
    assert not hidden(call.flow, call.at)


def test_hours_choose() -> None:
    day = Schedule(ZoneInfo("UTC"), (((540, 1080),),) * 7)  # type: ignore[arg-type]
    nodes = {
        "h": HoursNode(day, "open", "closed", "holiday"),
        **{name: ends(name) for name in ("open", "closed", "holiday")},
    }
    flow = Flow("f", "h", nodes)
    for hour, reason in ((8, "closed"), (9, "open"), (17, "open"), (18, "closed")):
        _, actions = start(flow, CallerFacts("1", "2"), 86_400.0 * 100 + hour * 3600)
        assert actions == [HangUp((), True, reason)]


def test_set_values_and_language() -> None:
    nodes = {
        "s": SetNode({"language": "lv", "greeting": "hi {caller}", "caller": "x"}, "b"),
        "b": HangUpNode((Line("text", "{greeting} {language}"),)),
    }
    call = Caller(nodes)
    assert call.done == [HangUp((Speech("hi +37120000001 lv", "lv"),), True, "flow ended")]
    nodes["s"] = SetNode({"language": "xx"}, "b")
    assert Caller(nodes).at.language == "en"


@pytest.mark.parametrize(
    ("case", "holds"),
    [
        (Case("caller", "prefix", ("+371", "+372"), "yes"), True),
        (Case("caller", "prefix", ("371",), "yes"), False),
        (Case("caller", "equals", ("+37120000001",), "yes"), True),
        (Case("dialled", "in", ("99", "100"), "yes"), True),
        (Case("dialled", "in", ("99", "10"), "yes"), False),
        (Case("caller", "matches", (r"\+371\d{8}",), "yes"), True),
        (Case("caller", "matches", (r"\+371",), "yes"), False),
        (Case("earlier_calls", "at_least", ("2",), "yes"), True),
        (Case("earlier_calls", "at_least", ("4",), "yes"), False),
        (Case("caller_name", "at_least", ("4",), "yes"), False),
        (Case("last_outcome", "equals", ("dropped",), "yes"), True),
    ],
)
def test_branch(case: Case, holds: bool) -> None:
    nodes = {"b": BranchNode((case,), "no"), "yes": ends("yes"), "no": ends("no")}
    call = Caller(nodes, earlier_calls=3, last_outcome="dropped")
    assert call.done == [HangUp((), True, "yes" if holds else "no")]


LOOKUP = {
    "l": LookupNode(
        "https://crm/c?n={caller}&x={name}",
        "GET",
        3,
        {"vip": "customer.vip", "tier": "list.1.tier", "gone": "a.b.c"},
        "yes",
        "no",
        prompt=HELLO,
    ),
    "yes": HangUpNode((Line("text", "{vip} {tier} {gone}{result}"),)),
    "no": HangUpNode((Line("text", "{result}"),)),
}


def test_lookup_takes_fields() -> None:
    call = Caller(LOOKUP, variables={"name": "a&b/../c\r\n"})
    url = "https://crm/c?n=%2B37120000001&x=a%26b%2F..%2Fc%0D%0A"
    assert call.done == [Say((Speech("hello", "en"),), False), Lookup(url, "GET", 3, "", {})]
    assert call.take(PlayEnded()) == []
    done = call.take(LookupDone({"customer": {"vip": True}, "list": [{}, {"tier": 2}], "a": 1}))
    assert done == [HangUp((Speech("true 2 ok", "en"),), True, "flow ended")]


@pytest.mark.parametrize("how", ["failed", "lost"])
def test_lookup_falls_back(how: str) -> None:
    call = Caller(LOOKUP)
    if how == "failed":
        call.take(LookupFailed("status 500"))
    else:
        assert call.wait(4.9) == []
        call.wait(0.2)
    assert call.done == [HangUp((Speech("failed", "en"),), True, "flow ended")]


def test_a_lookup_is_asked_again_within_its_time() -> None:
    """By the engine that follows the one which had it under way."""
    call = Caller(LOOKUP)
    (first,) = [action for action in call.done if isinstance(action, Lookup)]
    again = lookup_again(call.flow, call.at, call.now + 1.0)
    assert again == dataclasses.replace(first, timeout_s=2.0)
    assert lookup_again(call.flow, call.at, call.now + 3.0) is None
    elsewhere = Caller({"a": SayNode(HELLO, "a")})
    assert lookup_again(elsewhere.flow, elsewhere.at, call.now) is None


def test_what_hides_or_changes_something_is_not_asked_again() -> None:
    look = LookupNode("https://h/", "GET", 3, {}, "fail", "fail", {"x-pin": "{pin}"})
    call = Caller({**collect(hidden=True), "say": look})
    call.press("9876")
    kept = journaled(call.flow, call.at)
    assert kept.waiting_for == "lookup"
    assert lookup_again(call.flow, kept, call.now) is None
    post = dataclasses.replace(LOOKUP["l"], method="POST")  # type: ignore[type-var]
    call = Caller({**LOOKUP, "l": post})
    assert lookup_again(call.flow, call.at, call.now) is None


def test_queue_and_what_follows() -> None:
    node = QueueNode(
        "support", 2, 1, {"lv": 2}, ("caller", "unset"), HELLO, {"overflow": "v"}, "bye"
    )
    nodes = {"q": node, "v": VoicemailNode(HELLO, 60), "bye": BYE}
    call = Caller(nodes)
    assert call.done == [
        Enqueue("support", 2, 1, {"lv": 2}, {"caller": "+37120000001"}, (Speech("hello", "en"),))
    ]
    assert call.at.waiting_for == "queue"
    assert call.at.deadline is None
    assert call.press("1") == []
    assert call.take(QueueLeft("overflow")) == [Voicemail((Speech("hello", "en"),), 60)]
    assert call.take(VoicemailEnded(12.0)) == [
        HangUp((Phrase("goodbye", "en"),), True, "voicemail")
    ]
    call = Caller(nodes)
    call.take(QueueLeft("closed"))
    assert call.at.node == "bye"


def test_dial_and_its_results() -> None:
    nodes = {"d": DialNode("{caller}", 20, on={"busy": "b"}), "b": ends("busy")}
    call = Caller(nodes)
    assert call.done == [Dial("+37120000001", 20, ())]
    assert call.take(DialEnded("busy")) == [HangUp((), True, "busy")]
    call = Caller(nodes)
    assert call.take(DialEnded("answered")) == [HangUp((), True, "dialled party hung up")]
    call = Caller(nodes)
    assert call.take(DialEnded("no-answer")) == [
        HangUp((Phrase("goodbye", "en"),), False, "d: no-answer")
    ]
    call = Caller({**nodes, "d": DialNode("sip:{caller}@evil", 20, on={"failed": "b"})})
    assert call.done == [HangUp((), True, "busy")]


def callback(number: str = "caller") -> dict[str, Node]:
    keys = Keys(ASK, 3, 15, confirm=True)
    confirmed = (Line("phrase", "callback-confirmed"),)
    return {"c": CallbackNode("support", number, keys, confirmed, "bye"), "bye": BYE}  # type: ignore[arg-type]


def test_callback_to_the_callers_own_number() -> None:
    call = Caller(callback())
    assert call.done == [
        RequestCallback("+37120000001", "support"),
        HangUp((Phrase("callback-confirmed", "en"),), True, "callback requested"),
    ]


@pytest.mark.parametrize(("caller", "number"), [("anonymous", "caller"), ("+3712", "ask")])
def test_callback_asks_for_a_number(caller: str, number: str) -> None:
    call = Caller(callback(number), caller=caller)
    call.press("29123456#")
    assert call.at.waiting_for == "confirm-prompt"
    assert call.press("1")[0] == RequestCallback("29123456", "support")


def test_a_round_without_waiting_ends() -> None:
    nodes = {"a": SetNode({"x": "1"}, "b"), "b": SetNode({"x": "2"}, "a")}
    call = Caller(nodes)
    assert call.done == [HangUp((Phrase("goodbye", "en"),), False, "flow goes round for ever")]


def test_a_caller_who_never_leaves_is_let_go() -> None:
    call = Caller({"m": MenuNode(HELLO, {"1": "m"})})
    pressed = 0
    while not call.at.ended:
        call.press("1")
        pressed += 1
    assert pressed == 1000


def test_the_position_is_plain() -> None:
    call = Caller(MENU)
    kept = Position(**json.loads(json.dumps({n: getattr(call.at, n) for n in call.at.__slots__})))
    assert kept == call.at
    assert step(call.flow, kept, Digit("1"), call.now)[1] == [HangUp((), True, "one")]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [("1", Enqueue), ("0", Enqueue), ("2", RequestCallback), ("3", Voicemail)],
)
def test_the_shipped_flow(keys: str, expected: type[Action]) -> None:
    flows = load_flows(Path(SHIPPED_DIR), queues=frozenset({"support"}))
    flow = flows.flows["main"]
    at, done = start(flow, CallerFacts("+37120000001", "100"), 0.0)
    assert done == [Say((Phrase("welcome", "en"),), True)]
    at, done = step(flow, at, PlayEnded(), 2.0)
    assert done == [Say((Phrase("main-menu", "en"),), True)]
    at, done = step(flow, at, Digit(keys), 3.0)
    assert isinstance(done[0], expected)
