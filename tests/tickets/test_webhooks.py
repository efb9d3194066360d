"""What other systems are told, and what they are not. Pure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.webhooks import KINDS
from recordings.events import RecordingFinished
from router.events import CallArrived, CallEnded, SecondLifeEnded
from tests.tickets.entries import facts_of_call, noise, numbered, people
from tickets.events import DispositionGiven, TicketClosed, TicketCommented
from tickets.fold import Fold
from tickets.policy import Policy
from tickets.webhooks import (
    BODY_BYTES_MAX,
    Notice,
    body_of,
    is_public,
    mask,
    message_id,
    notices,
    parse_id,
    told,
)

NUMBER = "+37120000001"


def all_of(facts: list[tuple[float, str, object]]) -> list[Notice]:
    """Every event that the facts make, taken one by one as the reader does."""
    fold, found = Fold(Policy(), 0), list[Notice]()
    for entry in numbered(facts):
        if not is_public(entry):
            fold.apply(entry)
            continue
        before = told(fold.cases.get(entry.call))
        fold.apply(entry)
        found += notices(entry, before, fold.cases.get(entry.call))
    return found


def kinds(facts: list[tuple[float, str, object]]) -> list[tuple[str, str | None]]:
    return [(item.kind, item.data.get("changed")) for item in all_of(facts)]


def test_a_call_from_its_end_to_its_closed_ticket() -> None:
    assert kinds(facts_of_call("c") + people("c", 1100.0)) == [
        ("call.ended", None),
        ("ticket.created", None),
        ("recording.ready", None),
        ("ticket.updated", "recording"),
        ("ticket.updated", "comment"),
        ("ticket.updated", "disposition"),  # which closes it: closing it again changes nothing
    ]


def test_every_kind_is_documented_and_made() -> None:
    made = {kind for kind, _ in kinds(facts_of_call("c"))}
    assert made == set(KINDS)
    page = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
    for kind in KINDS:
        assert f"| `{kind}` |" in page


def test_a_message_tells_how_things_stood_after_its_fact() -> None:
    ended, created, ready, recorded = all_of(facts_of_call("c"))
    assert ended.data["call"]["outcome"] == "answered"
    assert ended.data["call"]["ticket"] == "T-000001"
    assert "ticket" not in ended.data
    assert created.data["ticket"]["status"] == "awaiting-disposition"
    assert created.data["recording"] is None
    assert ready.data["recording"] == recorded.data["recording"]
    assert ready.data["recording"] == {
        "id": "r-c",
        "audio": "/recordings/r-c/audio",
        "sha256": "ab",
        "duration_s": 25.0,
        "size_bytes": 800,
    }


def test_times_are_utc_with_milliseconds() -> None:
    created = all_of(facts_of_call("c"))[1]
    body = json.loads(body_of(created, "full"))
    assert body["timestamp"] == "1970-01-01T00:17:10.000Z"
    assert body["data"]["call"]["arrived_at"] == "1970-01-01T00:16:40.000Z"
    assert body["data"]["call"]["waited_s"] == 2.9
    assert (body["id"], body["sequence"]) == ("msg_c_9_ticket-created", 9)
    assert body["type"] == "ticket.created"


def test_a_recording_before_the_end_updates_no_ticket() -> None:
    facts = facts_of_call("c", finished=False)
    facts.insert(6, (1006.0, "c", RecordingFinished("r", "/r", "ab", 1.0, 8)))
    assert kinds(facts) == [
        ("recording.ready", None),
        ("call.ended", None),
        ("ticket.created", None),
    ]


@pytest.mark.parametrize(
    ("again", "expected"),
    [
        (RecordingFinished("r-c", "/r/c.wav", "ab", 25.0, 800), []),
        (RecordingFinished("r2", "", "", 0, 0, "disk full"), []),
        (CallEnded("missed", "?"), []),
        (CallArrived("+1", "800", "trunk"), []),
        (SecondLifeEnded("bye"), []),
        (SecondLifeEnded("bye", talked_s=3.0), [("ticket.updated", "callback")]),
        (TicketClosed("bob"), [("ticket.updated", "closed")]),
        (TicketCommented("ann", "x"), [("ticket.updated", "comment")]),
        (DispositionGiven("ann", "sold"), [("ticket.updated", "disposition")]),
    ],
)
def test_what_changes_nothing_tells_nothing(
    again: object, expected: list[tuple[str, str | None]]
) -> None:
    facts = facts_of_call("c")
    known = len(all_of(facts))
    assert kinds([*facts, (1100.0, "c", again)])[known:] == expected


def test_strangers_and_unknown_calls_tell_nothing() -> None:
    assert all_of(noise(1.0)) == []


def test_a_recording_that_failed_is_an_update_with_its_reason() -> None:
    failed = (1040.0, "c", RecordingFinished("r", "", "", 0.0, 0, "disk full"))
    last = all_of([*facts_of_call("c", finished=False), failed])[-1]
    assert (last.kind, last.data["no_recording"]) == ("ticket.updated", "disk full")


def _whole_call() -> list[Notice]:
    facts = facts_of_call("c", finished=False)
    ended = CallEnded(
        "callback-requested",
        "bye",
        callback_number="+37129999999",
        notes=("wants to speak of secret",),
    )
    facts[-1] = (1030.0, "c", ended)
    facts += [
        (1040.0, "c", TicketCommented("ann", "secret of +37120000001")),
        (1050.0, "c", DispositionGiven("ann", "sold", "secret note")),
    ]
    return all_of(facts)


def test_masked_bodies_tell_nobody_who_called() -> None:
    for notice in _whole_call():
        body = body_of(notice, "masked")
        for private in (NUMBER, NUMBER[:-2], "3712999", "secret", "nn\u00e4"):
            assert private not in body, notice.kind
    data = json.loads(body_of(_whole_call()[-1], "masked"))["data"]
    assert data["call"]["caller"] == "**********01"
    assert data["call"]["callback_number"] == "**********99"
    assert data["ticket"]["disposition"] == "sold"


def test_full_bodies_tell_who_called() -> None:
    ended, _, commented, disposed = _whole_call()
    assert json.loads(body_of(ended, "full"))["data"]["call"]["caller"] == NUMBER
    assert json.loads(body_of(ended, "full"))["data"]["call"]["caller_name"] == "\u00c4nn\u00e4"
    assert json.loads(body_of(commented, "full"))["data"]["comment"]["text"].startswith("secret")
    assert json.loads(body_of(disposed, "full"))["data"]["ticket"]["disposition_note"]


def test_masking_changes_nothing_of_the_notice() -> None:
    (ended, *_) = _whole_call()
    body_of(ended, "masked")
    assert ended.data["call"]["caller"] == NUMBER


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+37120000001", "**********01"),
        ("101", "***"),
        ("anonymous", "anonymous"),
        ("", ""),
        ("alice", "***ce"),
    ],
)
def test_mask(number: str, masked: str) -> None:
    assert mask(number) == masked


@given(
    call=st.from_regex(r"[0-9A-Za-z_-]{1,64}", fullmatch=True),
    seq=st.integers(1, 10**17),
    kind=st.sampled_from(KINDS),
)
def test_an_id_names_its_message_and_has_no_full_stop(call: str, seq: int, kind: str) -> None:
    text = message_id(call, seq, kind)
    assert "." not in text, "Standard Webhooks joins the parts of what is signed by full stops"
    assert parse_id(text) == (call, seq, kind)


@pytest.mark.parametrize("text", ["", "msg_", "msg_c_1_nothing", "msg_c_x_call-ended", "c_1_x"])
def test_what_is_no_id(text: str) -> None:
    assert parse_id(text) is None


@given(noise=st.text(alphabet=st.characters(max_codepoint=0x1FFFF), max_size=50))
def test_a_body_is_utf8_and_bounded_whatever_was_said(noise: str) -> None:
    huge: Any = (noise or "\x01") * 30_000
    facts = [
        (1.0, "c" * 64, CallArrived(huge, huge, "t", caller_name=huge, sip_call_id=huge)),
        (2.0, "c" * 64, CallEnded("missed", huge, callback_number=huge, notes=(huge,))),
        (3.0, "c" * 64, DispositionGiven(huge, huge, huge)),
        (4.0, "c" * 64, TicketCommented(huge, huge)),
    ]
    for notice in all_of(facts):
        body = body_of(notice, "full").encode()
        assert len(body) < BODY_BYTES_MAX
        assert json.loads(body)["id"].startswith("msg_")


def test_the_order_of_the_events_of_one_fact() -> None:
    entries = [(item.seq, item.place) for item in all_of(facts_of_call("c") + people("c", 1100.0))]
    assert entries == sorted(set(entries))
