"""Calls that leave through a carrier: challenges, forks, CANCEL crossing 200 from our side.

The carrier is a bare socket, so that it can answer at the worst moment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.wire.raw_sip import Message, Peer, digest, sdp
from tests.wire.system import CONFIG as BASE
from tests.wire.system import TRUNK, System, running

OUTSIDE = "+37160000000"
FLOW = f"""\
start: out
nodes:
  out: {{type: dial, target: "{OUTSIDE}", timeout_s: 3, on: {{busy: busy}}, next: end}}
  busy: {{type: voicemail}}
  end: {{type: hangup, completed: false}}
"""
CHALLENGE = 'Proxy-Authenticate: Digest realm="carrier", nonce="{}", qop="auth", algorithm=MD5'


class Scene:
    """The system, its carrier, and a caller whose call goes there."""

    def __init__(self, system: System, carrier: Peer, caller: Peer) -> None:
        self.system, self.carrier, self.caller = system, carrier, caller
        self.number = ""

    def dial(self, number: str) -> Message:
        """A new call; the INVITE that the carrier gets."""
        self.number = number
        self.answer = self.caller.call("100", number)
        return self.carrier.wait_for("INVITE")

    def leave(self) -> None:
        assert self.caller.bye(self.answer).status == 200

    def ticket(self) -> str:
        (ticket,) = self.system.wait_for_tickets(self.number, 1)
        return str(ticket["outcome"])

    def accept(self, invite: Message, tag: str) -> Message:
        return self.carrier.reply(invite, 200, tag=tag, body=sdp(self.carrier.host))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[System, Peer]]:
    with Peer(("127.0.0.1", 9), "127.0.0.3") as carrier:
        config = BASE.replace(
            "trunks:\n",
            "trunks:\n"
            "  - name: carrier\n    username: offhook\n"
            f"    outbound: sip:127.0.0.3:{carrier.port}\n",
        )
        with running(tmp_path_factory.mktemp("outbound"), config, {"main": FLOW}) as system:
            carrier.server = system.sip
            yield system, carrier


@pytest.fixture
def scene(place: tuple[System, Peer]) -> Iterator[Scene]:
    system, carrier = place
    while carrier.receive(0.01):
        pass  # late copies of the test before
    with Peer(system.sip, TRUNK) as caller:
        yield Scene(system, carrier, caller)
    system.still_runs()


def to_tag(message: Message) -> str:
    return message["To"].partition("tag=")[2]


def test_a_challenge_is_answered(scene: Scene) -> None:
    carrier = scene.carrier
    first = scene.dial("+37151000001")
    refused = carrier.reply(first, 407, tag="c", headers=(CHALLENGE.format("n1"),))
    assert to_tag(carrier.wait_for("ACK", first["Call-ID"])) == "c"
    second = carrier.wait_for("INVITE")
    assert second["Call-ID"] == first["Call-ID"]
    assert int(second["CSeq"].split()[0]) == int(first["CSeq"].split()[0]) + 1
    assert (first["Max-Forwards"], second["Max-Forwards"]) == ("69", "69"), "the caller's had 70"
    told = dict(re.findall(r'(\w+)="?([^",]*)"?', second["Proxy-Authorization"]))
    refused.headers.append(("WWW-Authenticate", refused["Proxy-Authenticate"]))
    uri = second.start.split()[1]
    expected = digest(
        refused,
        "offhook",
        scene.system.secrets["trunks"]["carrier"],
        "INVITE",
        uri,
        nc=told["nc"],
        cnonce=told["cnonce"],
    )
    assert f'response="{told["response"]}"' in expected
    assert (told["uri"], told["username"], told["nonce"]) == (uri, "offhook", "n1")
    scene.accept(second, "d")
    carrier.wait_for("ACK", first["Call-ID"])
    scene.leave()
    carrier.reply(carrier.wait_for("BYE", first["Call-ID"]), 200)
    assert scene.ticket() == "dialled-out"


def test_a_password_that_is_never_right_is_not_tried_for_ever(scene: Scene) -> None:
    carrier = scene.carrier
    invite = scene.dial("+37151000002")
    asked = 1
    while invite is not None and asked < 6:
        carrier.reply(invite, 407, tag=f"c{asked}", headers=(CHALLENGE.format(f"n{asked}"),))
        carrier.wait_for("ACK")
        again = carrier.receive(0.5)
        if again is None or again.method != "INVITE":
            break
        invite, asked = again, asked + 1
    assert asked <= 3, f"asked {asked} times"
    bye = scene.caller.wait_for("BYE")
    scene.caller.reply(bye, 200)
    assert scene.ticket() in ("failed", "left-in-ivr", "refused")


def test_a_call_that_comes_back_again_and_again_is_not_dialled_for_ever(scene: Scene) -> None:
    """RFC 7332: one that has no hop left may stay (the flow plays), and does not go out."""
    carrier, caller = scene.carrier, scene.caller
    text = caller.invite("100", "+37151000009", "no-hop-left")
    answer = caller.ask(text.replace("Max-Forwards: 70", "Max-Forwards: 0"))
    assert answer.status == 200
    caller.acknowledge(answer)
    caller.reply(caller.wait_for("BYE"), 200)
    assert carrier.receive(0.2) is None
    scene.number = "+37151000009"
    assert scene.ticket() == "left-in-ivr"


def test_a_second_fork_that_answers_is_let_go(scene: Scene) -> None:
    """RFC 3261 13.2.2.4: each 2xx gets its ACK, all but the first a BYE."""
    carrier = scene.carrier
    invite = scene.dial("+37151000003")
    carrier.reply(invite, 180, tag="one")
    carrier.reply(invite, 180, tag="two")
    scene.accept(invite, "two")
    assert to_tag(carrier.wait_for("ACK")) == "two"
    scene.accept(invite, "one")
    seen = {}
    while len(seen) < 2:
        message = carrier.receive()
        assert message is not None, f"only {seen}"
        seen[message.method] = to_tag(message)
        if message.method == "BYE":
            carrier.reply(message, 200)
    assert seen == {"ACK": "one", "BYE": "one"}
    scene.accept(invite, "two")  # its ACK was lost: again
    assert to_tag(carrier.wait_for("ACK")) == "two"
    scene.leave()
    bye = carrier.wait_for("BYE")
    assert to_tag(bye) == "two"
    carrier.reply(bye, 200)
    assert scene.ticket() == "dialled-out"


@pytest.mark.parametrize("crosses", [False, True], ids=["cancelled", "200-crosses"])
def test_the_caller_leaves_while_it_rings(scene: Scene, crosses: bool) -> None:
    """RFC 3261 9.1, 15: CANCEL; where the 200 crossed it, ACK and BYE."""
    carrier = scene.carrier
    for at in range(10):
        invite = scene.dial(f"+3715101{crosses:d}{at:03}")
        carrier.reply(invite, 180, tag="r")
        scene.leave()
        cancel = carrier.wait_for("CANCEL")
        assert cancel["Via"] == invite["Via"]
        carrier.reply(cancel, 200, tag="r")
        if crosses:
            scene.accept(invite, "r")
            carrier.wait_for("ACK")
            carrier.reply(carrier.wait_for("BYE"), 200)
        else:
            carrier.reply(invite, 487, tag="r")
            carrier.wait_for("ACK")
    tickets = scene.system.wait_for_tickets(f"+3715101{crosses:d}%", 10)
    assert {ticket["outcome"] for ticket in tickets} == {"left-in-ivr"}


def test_a_cancel_waits_for_the_first_response(scene: Scene) -> None:
    """RFC 3261 9.1: nothing is cancelled that has not been answered at all."""
    carrier = scene.carrier
    invite = scene.dial("+37151000005")
    scene.leave()
    early = carrier.receive(0.3)
    assert early is None or early.method == "INVITE", early
    carrier.reply(invite, 100)
    cancel = carrier.wait_for("CANCEL")
    carrier.reply(cancel, 200, tag="x")
    carrier.reply(invite, 487, tag="x")
    carrier.wait_for("ACK")


def test_no_answer_is_cancelled(scene: Scene) -> None:
    carrier = scene.carrier
    invite = scene.dial("+37151000006")
    carrier.reply(invite, 180, tag="n")
    carrier.reply(carrier.wait_for("CANCEL", within_s=6), 200, tag="n")
    carrier.reply(invite, 487, tag="n")
    carrier.wait_for("ACK")
    scene.caller.reply(scene.caller.wait_for("BYE"), 200)
    scene.ticket()


def test_a_reliable_ringing_is_acknowledged(scene: Scene) -> None:
    """RFC 3262, and the route of RFC 3261 12.1.2 in what follows."""
    carrier = scene.carrier
    invite = scene.dial("+37151000007")
    route = f"<sip:127.0.0.3:{carrier.port};lr>"
    carrier.reply(
        invite,
        183,
        tag="p",
        headers=("Require: 100rel", "RSeq: 71", f"Record-Route: {route}"),
        body=sdp(carrier.host),
    )
    prack = carrier.wait_for("PRACK")
    assert prack["RAck"].split() == ["71", invite["CSeq"].split()[0], "INVITE"]
    assert prack["Route"] == route
    carrier.reply(prack, 200)
    carrier.reply(invite, 200, tag="p", headers=(f"Record-Route: {route}",))
    ack = carrier.wait_for("ACK")
    assert ack["Route"] == route
    scene.leave()
    bye = carrier.wait_for("BYE")
    assert bye["Route"] == route
    carrier.reply(bye, 200)
    assert scene.ticket() == "dialled-out"


@pytest.mark.parametrize("status", [486, 404, 503, 603])
def test_a_refusal_is_acknowledged_and_the_flow_goes_on(scene: Scene, status: int) -> None:
    carrier = scene.carrier
    invite = scene.dial(f"+3715102{status}")
    carrier.reply(invite, status, tag="f")
    assert to_tag(carrier.wait_for("ACK")) == "f"
    if status == 486:  # the flow's voicemail
        scene.leave()
    else:
        scene.caller.reply(scene.caller.wait_for("BYE"), 200)
    scene.ticket()


def test_an_answer_without_a_common_codec_is_ended(scene: Scene) -> None:
    carrier = scene.carrier
    invite = scene.dial("+37151000008")
    body = sdp(carrier.host).replace("RTP/AVP 8 0 101", "RTP/AVP 18")
    carrier.reply(invite, 200, tag="g", body=body)
    carrier.wait_for("ACK")
    carrier.reply(carrier.wait_for("BYE"), 200)
    scene.caller.reply(scene.caller.wait_for("BYE"), 200)
    scene.ticket()


def test_afterwards_nothing_is_left(place: tuple[System, Peer]) -> None:
    place[0].nothing_is_left()
