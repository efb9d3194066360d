"""A seeded world with real SIP at both ends: callers, phones, one engine after another, one media
worker after another, and a network that loses, doubles and reorders.

What is played is what lies outside the program: datagrams on their way, the disk's delays, what
people do, RTP. A seed is a day: the same calls, the same losses, the same deaths.
"""

from __future__ import annotations

import random
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

from engine.journal import Entry
from router.sip import effects as sip
from router.sip.effects import Flow
from router.sip.target import Target
from tests.engine.desk import description
from tests.simulation.media import PlayedWorker
from tests.simulation.net import CARRIER, NODE, PORT, Far, Network, Weather
from tests.simulation.node import AGENTS, HOSTS, Killed, Node, void
from tests.simulation.world import Agenda, Clock

START = 1e9
FAIR = Weather()
BAD = Weather(loss=0.12, double=0.12, spread_s=0.3)
RECORDINGS_DIR = f"{tempfile.gettempdir()}/offhook-simulation"
OUTSIDE = "37250000001"
AT_NODE = Flow("udp", NODE, PORT)


@dataclass(slots=True)
class Caller:
    """A caller as the carrier knows them."""

    leg: str
    number: str
    state: str = "calling"  # up, over
    port: int = 0  # of our media
    hung_up: bool = False
    how: str = ""  # it was over without them: the SIP core's word


@dataclass(frozen=True, slots=True)
class Manners:
    """What people do: probabilities, and means in seconds."""

    answers: float = 0.7
    refuses: float = 0.15  # the rest let it ring
    answers_after_s: tuple[float, float] = (0.2, 14.0)
    talk_s: float = 20.0
    patience_s: float = 60.0
    impatient: float = 0.6
    arrivals_s: float = 6.0
    doings_s: float = 20.0
    holds: float = 0.2
    transfers: float = 0.15
    dialled: tuple[str, ...] = ("100", "100", "200", "300")


class Wired:
    """The world. ``node`` is the engine of the moment, None while there is none."""

    def __init__(
        self,
        seed: int,
        weather: Weather = FAIR,
        manners: Manners | None = None,
        fuse: Callable[[str], None] = lambda point: None,
    ) -> None:
        self.dice = random.Random(seed)
        self.manners = manners or Manners()
        self.clock = Clock(START)
        self.agenda = Agenda(self.clock)
        self.network = Network(self.agenda, random.Random(seed + 1), weather)
        self.worker = PlayedWorker(self.agenda)
        self.fuse = fuse
        self.kills = self.generation = 0
        self.callers: dict[str, Caller] = {}
        self.outside: dict[str, str] = {}  # legs that we called, at the carrier: state
        self.rung: dict[tuple[str, str], str] = {}  # (agent, leg at the phone): state
        self.problems: list[str] = []
        self._numbers = count(1)
        self._disk_dice = random.Random(seed + 2)
        self.carrier = self._far(CARRIER)
        self.phones = {agent: self._far(HOSTS[agent]) for agent in AGENTS}
        self._teach_carrier()
        for agent, phone in self.phones.items():
            phone.on[sip.Invited] = partial(self._phone_rings, agent)
            phone.on[sip.Confirmed] = partial(self._phone_talks, agent)
            phone.on[sip.Ended] = partial(self._phone_over, agent)
        self.node: Node | None = None
        self.last: Node
        self._order: list[str] = []
        self.agenda.after(0.0, lambda: self._begin(b""))

    def _far(self, host: str) -> Far:
        far = Far(host, self.agenda, self.network)

        def changed(event: Any) -> None:
            far.do(lambda now: far.endpoint.accept_change(event.leg, description(host), now))

        far.on[sip.ChangeAsked] = changed
        return far

    # --- the engine ---------------------------------------------------------------------------

    def _begin(self, kept: bytes) -> None:
        self.generation += 1
        self.node = self.last = Node(
            self.agenda,
            self.clock,
            self._disk_dice,
            self.network,
            self.worker,
            kept,
            self.generation,
            RECORDINGS_DIR,
            self.fuse,
        )
        self.node.start()
        before, after = self._order, [view.call for view in self.node.floor.waiting()]
        both = set(before) & set(after)
        if [call for call in before if call in both] != [call for call in after if call in both]:
            self.problems.append(f"the order of the queue was {before}, is {after}")

    def kill(self, outage_s: float = 0.4) -> None:
        """kill -9 of the engine; the next one comes after the outage."""
        node, self.node = self.node, None
        if node is None:
            return
        self.kills += 1
        if node.is_up:
            self._order = [view.call for view in node.floor.waiting()]
        kept = node.die()
        self.agenda.after(outage_s, lambda: self._begin(kept))

    def run(
        self,
        seconds: float,
        until: Callable[[], bool] = lambda: False,
        outage_s: float = 0.4,
    ) -> None:
        ends = self.clock.at + seconds
        while not until():
            try:
                if not self.agenda.step(ends):
                    break
            except Killed:
                self.kill(outage_s)
        else:
            return
        self.clock.at = max(self.clock.at, ends)

    def ask(self, wish: Callable[[Node], object]) -> None:
        """By the API; nobody hears it while no engine is up."""
        node = self.node
        if node is not None:
            node.when(lambda: wish(node))

    @property
    def entries(self) -> list[Entry]:
        """The log, as far as it is on disk."""
        return self.last.disk.entries

    # --- callers ------------------------------------------------------------------------------

    def _teach_carrier(self) -> None:
        on = self.carrier.on
        on[sip.Answered] = self._caller_up
        on[sip.Refused] = self._caller_refused
        on[sip.Ended] = self._caller_over
        on[sip.Invited] = self._outside_rings
        on[sip.Confirmed] = self._outside_talks

    def call(self, dialled: str, keys: str = "", hangs_up_after_s: float = 0.0) -> Caller:
        """Somebody calls; ``keys`` are pressed 3 s apart once we picked up."""
        number = f"3712{next(self._numbers):07d}"
        caller = Caller(f"t{number}", number)
        self.callers[caller.leg] = caller
        target = Target(f"sip:{dialled}@{NODE}:{PORT}", AT_NODE)
        body = description(CARRIER)
        endpoint = self.carrier.endpoint
        self.carrier.do(lambda now: endpoint.invite(caller.leg, target, body, now, caller=number))
        for at, key in enumerate(keys, 1):
            self.agenda.after(3.0 * at, partial(self._press, caller, key))
        if hangs_up_after_s:
            self.agenda.after(hangs_up_after_s, lambda: self.hang_up(caller))
        return caller

    def hang_up(self, caller: Caller) -> None:
        if caller.state != "over":
            caller.hung_up = True
            self.carrier.do(lambda now: self.carrier.endpoint.hang_up(caller.leg, now))

    def _press(self, caller: Caller, key: str) -> None:
        if caller.state == "up":
            self.worker.press(caller.port, key)

    def _caller_up(self, event: Any) -> None:
        caller = self.callers.get(event.leg)
        if caller is not None and caller.state == "calling":
            caller.state = "up"
            found = re.search(rb"m=audio (\d+)", event.body)
            caller.port = int(found[1]) if found else 0

    def _caller_refused(self, event: Any) -> None:
        self._over(event.leg, f"refused {event.status}")

    def _caller_over(self, event: Any) -> None:
        self._over(event.leg, event.cause)
        self.outside.pop(event.leg, None)

    def _over(self, leg: str, how: str) -> None:
        caller = self.callers.get(leg)
        if caller is not None and caller.state != "over":
            caller.state, caller.how = "over", how

    # --- who is called: outside, agents ---------------------------------------------------------

    def _outside_rings(self, event: Any) -> None:
        """A callback or a transfer leads out."""
        carrier = self.carrier
        self.outside[event.leg] = "rung"
        carrier.do(lambda now: carrier.endpoint.progress(event.leg, now))
        after = self.dice.uniform(0.2, 8.0)
        if self.dice.random() < self.manners.answers:
            body = description(CARRIER)
            act = partial(carrier.do, lambda now: carrier.endpoint.answer(event.leg, body, now))
        else:
            act = partial(carrier.do, lambda now: carrier.endpoint.reject(event.leg, 486, now))
            self.agenda.after(after, lambda: void(self.outside.pop(event.leg, None)))
        self.agenda.after(after, act)

    def _outside_talks(self, event: Any) -> None:
        if self.outside.get(event.leg) == "rung":
            self.outside[event.leg] = "up"
            after = self.dice.expovariate(1 / self.manners.talk_s)
            endpoint = self.carrier.endpoint
            self.agenda.after(
                after, partial(self.carrier.do, lambda now: endpoint.hang_up(event.leg, now))
            )

    def _phone_rings(self, agent: str, event: Any) -> None:
        phone, manners = self.phones[agent], self.manners
        self.rung[agent, event.leg] = "rung"
        phone.do(lambda now: phone.endpoint.progress(event.leg, now))
        after = self.dice.uniform(*manners.answers_after_s)
        fate = self.dice.random()
        if fate < manners.answers:
            body = description(phone.host)
            self.agenda.after(
                after,
                partial(phone.do, lambda now: phone.endpoint.answer(event.leg, body, now)),
            )
        elif fate < manners.answers + manners.refuses:
            status = self.dice.choice((486, 603, 480))
            self.agenda.after(
                after,
                partial(phone.do, lambda now: phone.endpoint.reject(event.leg, status, now)),
            )

    def _phone_talks(self, agent: str, event: Any) -> None:
        if self.rung.get((agent, event.leg)) != "rung":
            return
        self.rung[agent, event.leg] = "up"
        phone, manners = self.phones[agent], self.manners
        talk_s = self.dice.expovariate(1 / manners.talk_s)
        endpoint = phone.endpoint
        if self.dice.random() < manners.holds:
            held = description(phone.host, direction="sendonly")
            back = description(phone.host)
            for part, body in ((0.3, held), (0.6, back)):
                change = partial(endpoint.change, event.leg, body)
                self.agenda.after(part * talk_s, partial(phone.do, change))
        elif self.dice.random() < manners.transfers:
            target = self.dice.choice(("102", "sales", "queue:support", OUTSIDE))
            self.agenda.after(talk_s / 2, partial(self._transfer, agent, target))
        hang_up = partial(phone.do, lambda now: endpoint.hang_up(event.leg, now))
        self.agenda.after(talk_s, hang_up)

    def _phone_over(self, agent: str, event: Any) -> None:
        self.rung.pop((agent, event.leg), None)

    def _transfer(self, agent: str, target: str) -> None:
        """By the API: whoever talks with this agent goes to the target."""

        def wish(node: Node) -> None:
            for call in list(node.turns.calls.values()):
                if call.phase == "talking" and call.agent == agent:
                    node.transfer(call.id, target)

        self.ask(wish)

    # --- a day ------------------------------------------------------------------------------------

    def sign_in(self, *agents: str) -> None:
        for agent in agents or tuple(AGENTS):
            self.ask(lambda node, agent=agent: node.sign_in(agent))  # type: ignore[misc]

    def agent_acts(self) -> None:
        agent = self.dice.choice(tuple(AGENTS))
        match self.dice.randrange(6):
            case 0:
                self.ask(lambda node: node.sign_out(agent))
            case 1:
                self.ask(lambda node: node.take_break(agent))
            case _:
                self.ask(lambda node: node.sign_in(agent))
                self.ask(lambda node: node.ready(agent))

    def live(self, seconds: float) -> None:
        """Have callers arrive and agents do things for so long; ``run`` lets it happen."""
        ends, dice, manners = self.clock.at + seconds, self.dice, self.manners

        def arrivals() -> None:
            if self.clock.at > ends:
                return
            keys = "".join(dice.choices("11112305#", k=dice.randrange(3)))
            patience = dice.expovariate(1 / manners.patience_s)
            leaves = patience if dice.random() < manners.impatient else 0.0
            self.call(dice.choice(manners.dialled), keys, leaves)
            self.agenda.after(dice.expovariate(1 / manners.arrivals_s), arrivals)

        def doings() -> None:
            if self.clock.at > ends:
                return
            self.agenda.after(dice.expovariate(1 / manners.doings_s), doings)
            self.agent_acts()

        self.agenda.after(0.05, self.sign_in)
        self.agenda.after(0.1, arrivals)
        self.agenda.after(0.1, doings)

    def drain(self, seconds: float = 900.0) -> None:
        """No new callers; whoever is there hangs up within a minute; the network is fair."""
        self.network.weather = FAIR
        for caller in self.callers.values():
            self.agenda.after(self.dice.uniform(0, 60), partial(self.hang_up, caller))
        self.run(90.0)
        ends = self.clock.at + seconds
        while self.clock.at < ends and not self._is_quiet():
            self.agenda.after(0.0, lambda: self.ask(self._cancel_callbacks))
            self.run(20.0)
        self.run(40.0)  # transactions that only wait for stragglers

    def _is_quiet(self) -> bool:
        node = self.node
        return node is not None and node.is_up and not node.turns.calls and not node.floor.waiting()

    @staticmethod
    def _cancel_callbacks(node: Node) -> None:
        for view in node.floor.waiting():
            if view.call not in node.turns.calls:
                node.supervision.cancel_callback(view.call, by="end")


@dataclass(slots=True)
class Deaths:
    """Kills at counted moments: ``at`` the next is due, in points passed."""

    at: int
    passed: int = 0
    points: list[str] = field(default_factory=list)
    keeps: bool = False  # the names of what was passed

    def __call__(self, point: str) -> None:
        self.passed += 1
        if self.keeps:
            self.points.append(point)
        if self.passed == self.at:
            raise Killed(point)
