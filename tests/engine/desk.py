"""The shells of an engine joined on fakes: what a test needs to play a call in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from config.settings import AgentSettings, Number, QueueSettings, Settings, Trunk
from engine.arrivals import Arrivals
from engine.call_timers import CallTimers
from engine.callbacks import Callbacks
from engine.callers import Callers
from engine.engine import Engine
from engine.events import Wiring
from engine.floorside import FloorSide
from engine.flows import Flows
from engine.holds import Holds
from engine.journal import Entry
from engine.keeping import Keeping
from engine.legs import Legs
from engine.liveness import Liveness
from engine.patience import Patience
from engine.places import Addresses, Directions
from engine.prompter import Prompter
from engine.supervision import Supervision
from engine.taping import Taping
from engine.timers import Timers
from engine.turns import Turns
from ivr.loader import SHIPPED_DIR, FlowSet, load_flows
from queues.figures.statistics import Statistics
from router.call import Call
from router.sip import effects as sip
from router.sip import sdp
from tests.fakes import (
    CALLER,
    START,
    FakeJournal,
    FakeLookups,
    FakeLoop,
    FakePhone,
    FakePrompts,
    FakeWorkers,
    HandClock,
)

FLOWS = load_flows(SHIPPED_DIR, queues=frozenset({"support"}))
SETTINGS = Settings(
    queues=(
        QueueSettings(name="support", wrap_up_s=5.0, ring_timeout_s=12.0, wait_max_s=180.0),
        QueueSettings(name="sales", callback_key="", overflow="voicemail", wait_max_s=60.0),
    ),
    numbers=(
        Number(number="37167000000", flow="main"),
        Number(number="+37167000001", queue="support"),
        Number(number="600", queue="sales"),
    ),
    agents=(
        AgentSettings(id="anna", name="Anna", extension="101", queues={"support": 1, "sales": 1}),
        AgentSettings(id="boris", name="Boris", extension="102", queues={"support": 1}),
    ),
    trunks=(
        Trunk(name="telia", addresses=("192.0.2.1",)),
        Trunk(
            name="out", username="desk", outbound="sip:198.51.100.7:5070;transport=tcp",
            codecs=("PCMU",),
        ),
    ),
)  # fmt: skip


class Desk:
    """The shells of an engine, joined as ``engine.engine`` joins them, on fakes."""

    # What the API and the dialled codes ask: the engine's own code.
    presence = Engine.presence
    sign_in = Engine.sign_in
    sign_out = Engine.sign_out
    ready = Engine.ready
    take_break = Engine.take_break
    forget = Engine.forget

    def __init__(
        self,
        settings: Settings = SETTINGS,
        flows: FlowSet = FLOWS,
        kept: Sequence[Entry] = (),
        recordings_dir: Path = Path("/nowhere"),
    ) -> None:
        self.settings = settings
        self.clock = HandClock(kept[-1].at + 1.0 if kept else START)
        self.loop = FakeLoop(self.clock)
        self.timers = Timers(cast(Any, self.clock), cast(Any, self.loop))
        self.journal = FakeJournal(kept)
        self.turns = Turns(cast(Any, self.clock), cast(Any, self.journal))
        self.phone = FakePhone()
        self.liveness = Liveness(self.timers, cast(Any, self.clock))
        self.workers = FakeWorkers()
        addresses = Addresses(settings, [("udp", "127.0.0.1", 5060)])
        self.directions = Directions(settings, cast(Any, self.phone), {"out": "secret"}, addresses)
        self.legs = Legs(
            self.turns, cast(Any, self.phone), cast(Any, self.workers), self.directions, 15.0
        )
        self.patience = Patience(
            self.turns, cast(Any, self.timers), self.legs, cast(Any, self.phone), 5
        )
        self.floor = FloorSide(self.turns, self.timers, settings, self.directions.phones_of)
        self.callers = Callers()
        self.lookups = FakeLookups()
        self.flows = Flows(
            self.turns, self.timers, flows, cast(Any, self.lookups), self.directions.resolve,
            self.callers.earlier,
        )  # fmt: skip
        self.flows.stand_beside(self.floor)
        self.floor.resolve = self.directions.resolve
        self.floor.agent_who_knows = self.callers.agent_of
        self.supervision = Supervision(self.floor)
        self.prompts = FakePrompts()
        self.prompter = Prompter(
            self.turns, self.legs, cast(Any, self.workers), self.floor, cast(Any, self.prompts)
        )
        self.taping = Taping(self.turns, self.legs, cast(Any, self.workers))
        self.arrivals = Arrivals(cast(Engine, self), settings, str(recordings_dir))
        self.callbacks = Callbacks(
            self.turns, self.timers, self.floor, self.directions.outside,
            lambda: self.arrivals.rules,
        )  # fmt: skip
        self.wiring = Wiring(cast(Engine, self))
        self.statistics = Statistics()
        self.holds = Holds(cast(Any, self.journal))
        self.call_timers = CallTimers(self.turns, self.timers)
        self.keeping = Keeping(
            cast(Any, self.journal), cast(Any, self.clock), self.turns, self.legs, self.flows,
            self.taping, cast(Any, self.workers), self.call_timers,
        )  # fmt: skip
        self.turns.on_finished = self._finished

    def _finished(self, call: Call) -> None:
        self.flows.forget(call.id)
        self.turns.calls.pop(call.id, None)
        self.call_timers.forget(call.id)
        self.turns.forget_later(call.id, self.forget)
        self.callbacks.ended(call.id)

    # --- what a test does --------------------------------------------------------------------

    def pass_time(self, seconds: float) -> None:
        self.loop.pass_time(seconds)

    def invite(
        self, leg: str = "in1", dialled: str = "+37167000001", agent: str = "", body: bytes = b"",
        hops: int = sip.HOPS,
    ) -> None:  # fmt: skip
        """An INVITE of the trunk's, or of an agent's phone."""
        self.phone.event(
            sip.Invited(
                leg, "" if agent else "telia", agent, agent or CALLER, "", dialled,
                body or description(), f"sip-{leg}", "192.0.2.1", max_forwards=hops,
            )
        )  # fmt: skip

    def call(self, leg: str = "in1", dialled: str = "+37167000001", body: bytes = b"") -> Call:
        """The same, and the call that it became."""
        before = set(self.turns.calls)
        self.invite(leg, dialled, body=body)
        (new,) = set(self.turns.calls) - before
        return self.turns.calls[new]

    def agent_ready(self, agent: str = "anna") -> str:
        """The phone registers, the person signs in; returns the phone's address."""
        extension = {"anna": "101", "boris": "102"}[agent]
        uri = self.phone.register_phone(extension)
        self.sign_in(agent)
        return uri

    def invited_legs(self) -> list[str]:
        return [said[1] for said in self.phone.said if said[0] == "invite"]


def description(
    host: str = "203.0.113.9", port: int = 30_000, codec: str = "PCMA", direction: str = "sendrecv"
) -> bytes:
    """A phone's session description; a codec that we do not have where ``codec`` is another."""
    number = sdp.CODECS.get(codec, 9)
    return (
        f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP {number} 101\r\na=rtpmap:{number} {codec}/8000\r\n"
        f"a=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
    ).encode()
