"""The callers and the agents of ``bench.crash``: our own SIP core at the far end, in one thread.

So many callers are up at any time as there are agents and places to wait; who ends is followed by
another. A talk lasts some seconds and is ended by either side; now and then somebody who waits
hangs up. Whatever ends otherwise is lost. What happens when is drawn from one seed.
"""

from __future__ import annotations

import heapq
import itertools
import os
import random
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from bench.crash_lines import Address, Line
from bench.crash_party import Party
from router.sip import effects as sip
from router.sip import sdp
from router.sip.target import Target

LOOK_S = 0.004
RINGS_S = (0.1, 1.0)
CALLS_PER_S = 25.0
PRIORITY = -10  # of the thread, where it may: late packets of ours are no gaps of Offhook's


@dataclass(frozen=True, slots=True)
class Shape:
    """How many wait, how long they talk (seconds), at least and at most."""

    callers: int
    talk_s: tuple[float, float]
    abandon_s: tuple[float, float] = (5.0, 60.0)
    abandons_every: int = 12  # callers


@dataclass(slots=True)
class Caller:
    """One call, from its INVITE to its end; ``wished``: its end is wanted by now, by whom."""

    number: str
    leg: str
    line: Line
    up: bool = False
    agent_leg: str = ""
    agent_line: Line | None = None  # of the agent who answered
    talked: bool = False
    wished: str = ""
    over: bool = False


@dataclass(slots=True)
class Talk:
    """An agent's leg."""

    leg: str
    agent: str
    caller: Caller
    line: Line
    up: bool = False


@dataclass(frozen=True, slots=True)
class Loss:
    """A call that ended otherwise than wished, and what happened, Unix time in seconds."""

    at: float
    number: str
    what: str


class Gap(NamedTuple):
    """Seconds between two packets at a caller; ``talks``: some of them may be an agent's."""

    seconds: float
    talks: bool


class Load:
    """``start`` begins the thread; the rest may be called by another one."""

    def __init__(
        self,
        server: Address,
        callers: socket.socket,
        agents: socket.socket,
        shape: Shape,
        *,
        seed: int = 1,
        prefix: str = "3720",
    ) -> None:
        self.shape = shape
        self.lost: list[Loss] = []
        self.all: list[Caller] = []
        self.withdrawn = 0  # rings that ended before they were answered
        self.doubled = 0  # a caller was offered to two agents at once
        self.stall_s = 0.0  # the longest time between two looks, since ``watch``
        self.on_moment: Callable[[str], None] = lambda name: None
        self.moving: set[str] = set()  # callers who may be transferred
        self.failure: BaseException | None = None
        self._prefix = prefix
        self._rng = random.Random(seed)
        self._callers, self._agents = Party(server, callers), Party(server, agents)
        self._by_leg: dict[str, Caller] = {}
        self._by_number: dict[str, Caller] = {}
        self._talks: dict[str, Talk] = {}
        self._server = server
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._jobs: deque[Callable[[], None]] = deque()
        self._next_call = 0.0
        self._filling = True
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    # --- from another thread -------------------------------------------------------------------

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._ending.set()
        self._thread.join()
        self._callers.close()
        self._agents.close()

    @property
    def forgotten(self) -> int:
        """Requests in a dialog that were answered with 481."""
        return self._callers.forgotten + self._agents.forgotten

    def register(self, passwords: dict[str, str]) -> None:
        """Every agent's phone (password by extension), at once; RuntimeError where one cannot."""
        ones = [self._agents.register(user, secret) for user, secret in passwords.items()]
        self.on_moment("register")
        until = time.monotonic() + 40.0
        while any(one.status != 200 for one in ones):
            if time.monotonic() > until or any(one.status not in (0, 200) for one in ones):
                raise RuntimeError(f"registering: {[one.status for one in ones]}")
            time.sleep(0.02)
        self._do(self._agents.registering.clear)

    def moves(self, number: str) -> bool:
        """This caller may be transferred from now on: the agent's leg may end. Whether the
        caller still talks and nobody has hung up."""
        call = self._by_number[number]

        def move() -> None:
            if call.talked and not call.wished:
                self.moving.add(number)

        self._do(move)
        return number in self.moving

    def after(self, pause_s: float, work: Callable[[], None]) -> None:
        """In this thread; also from ``on_moment``."""
        self._jobs.append(lambda: self._later((pause_s, pause_s), work))

    def up(self) -> tuple[int, int]:
        """Callers who are up, and of these those who talk."""
        live = list(self._by_leg.values())
        return sum(call.up for call in live), sum(call.talked and call.up for call in live)

    def watch(self) -> None:
        """Gaps and stalls count from now on."""
        self._do(self._watch)

    def gaps(self) -> list[Gap]:
        """The longest gap since ``watch`` at each caller who was up all the time and whose end
        nobody wished; that up to now included."""
        found: list[Gap] = []
        self._do(lambda: found.extend(self._gaps()))
        return found

    def empty(self) -> None:
        """No more callers; those who are there hang up."""
        self._do(self._empty)

    def _do(self, work: Callable[[], None]) -> None:
        done = threading.Event()

        def job() -> None:
            work()
            done.set()

        self._jobs.append(job)
        if not done.wait(30):
            raise RuntimeError(f"the load does not run: {self.failure!r}")

    # --- the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), PRIORITY)
        try:
            looked = time.time()
            while not self._ending.wait(LOOK_S):
                now = time.time()
                self.stall_s = max(self.stall_s, now - looked)
                looked = now
                self._look(now)
        except BaseException as error:
            self.failure = error
            raise

    def _look(self, now: float) -> None:
        for party, happened in ((self._callers, self._of_caller), (self._agents, self._of_agent)):
            party.lines.hear()
            for event in party.receive():
                happened(event)
            party.lines.speak(party.lines.by_far.values(), now)
        while self._due and self._due[0][0] <= now:
            heapq.heappop(self._due)[2]()
        while self._jobs:
            self._jobs.popleft()()
        if self._filling and len(self._by_leg) < self.shape.callers and now >= self._next_call:
            self._next_call = now + 1 / CALLS_PER_S
            self._call(now)

    def _later(self, bounds: tuple[float, float], work: Callable[[], None]) -> None:
        at = time.time() + self._rng.uniform(*bounds)
        heapq.heappush(self._due, (at, next(self._numbers), work))

    def _watch(self) -> None:
        self.stall_s = 0.0
        self._callers.lines.watch()

    def _gaps(self) -> list[Gap]:
        now = time.time()
        return [
            Gap(max(call.line.gap, now - call.line.heard_at), bool(call.agent_leg or call.talked))
            for call in self._by_leg.values()
            if call.up and call.line.watched and not call.wished
        ]

    def _empty(self) -> None:
        self._filling = False
        for call in list(self._by_leg.values()):
            self._caller_leaves(call)

    # --- callers -------------------------------------------------------------------------------

    def _call(self, now: float) -> None:
        number = f"{self._prefix}{len(self.all):05}"
        call = Caller(number, f"c{len(self.all)}", Line(now, self._rng.getrandbits(32)))
        self.all.append(call)
        self._by_leg[call.leg] = self._by_number[number] = call
        flow = sip.Flow("udp", *self._server)
        target = Target(f"sip:100@{self._server[0]}:{self._server[1]}", flow)
        offer = sdp.make_offer(self._callers.local)
        self._callers.send(
            self._callers.endpoint.invite(
                call.leg, target, offer, now, caller=number, caller_name="", credentials=None
            )
        )
        self.on_moment("invite")
        if len(self.all) % self.shape.abandons_every == 0:
            self._later(self.shape.abandon_s, lambda: self._gives_up(call))

    def _of_caller(self, event: sip.Effect | sip.Event) -> None:
        leg = getattr(event, "leg", "")
        call = self._by_leg.get(leg)
        if call is None:
            return
        match event:
            case sip.Answered(_, body):
                call.up = True
                far = sdp.read_answer(body, self._callers.local).remote
                if far is not None:
                    self._callers.lines.join(call.line, far)
                self.on_moment("waiting")
            case sip.Refused(_, status):
                self._over(call, f"refused: {status}")
            case sip.Ended(_, cause):
                self._over(call, cause)

    def _over(self, call: Caller, what: str) -> None:
        call.over = True
        self._by_leg.pop(call.leg, None)
        self._callers.lines.leave(call.line)
        if not call.wished:
            self._lose(call, what)

    def _lose(self, call: Caller, what: str) -> None:
        call.wished = call.wished or "lost"
        self.lost.append(Loss(time.time(), call.number, what))

    def _gives_up(self, call: Caller) -> None:
        if not call.talked:
            self._caller_leaves(call)

    def _caller_leaves(self, call: Caller) -> None:
        if call.over or call.wished:
            return
        call.wished = "caller"
        self.on_moment("hang-up" if call.talked else "abandon")
        output = self._callers.send(self._callers.endpoint.hang_up(call.leg, time.time()))
        self._over(call, "")
        for event in output:
            self._of_caller(event)

    # --- agents --------------------------------------------------------------------------------

    def _of_agent(self, event: sip.Effect | sip.Event) -> None:
        match event:
            case sip.Invited():
                self._rung(event)
            case sip.Confirmed(leg) if (talk := self._talks.get(leg)) is not None:
                talk.caller.talked = not talk.caller.wished  # who left meanwhile never talked
            case sip.Ended(leg, cause):
                self._talk_over(leg, cause)

    def _rung(self, event: sip.Invited) -> None:
        call = self._by_number.get(event.caller)
        now = time.time()
        if call is None or call.agent_leg:
            self.doubled += call is not None and not call.wished
            self._agents.send(self._agents.endpoint.reject(event.leg, 486, now))
            return
        call.agent_leg = event.leg
        talk = Talk(event.leg, event.dialled, call, Line(now, self._rng.getrandbits(32)))
        self._talks[event.leg] = talk
        self._agents.send(self._agents.endpoint.progress(event.leg, now))
        self.on_moment("ring")
        self._later(RINGS_S, lambda: self._answer(talk, event.body))

    def _answer(self, talk: Talk, offer: bytes) -> None:
        if talk.leg not in self._talks:
            return
        agreed = sdp.answer(offer, self._agents.local)
        self._agents.send(self._agents.endpoint.answer(talk.leg, agreed.body, time.time()))
        talk.up = True
        if agreed.remote is not None:
            self._agents.lines.join(talk.line, agreed.remote)
        talk.caller.agent_line = talk.line
        talk.line.talks = talk.caller.line.talks = True
        self.on_moment("answer")
        ends = self._agent_leaves if self._rng.random() < 0.5 else self._talker_leaves
        self._later(self.shape.talk_s, lambda: ends(talk))

    def _talk_over(self, leg: str, cause: str) -> None:
        talk = self._talks.pop(leg, None)
        if talk is None:
            return
        self._agents.lines.leave(talk.line)
        talk.caller.agent_leg = ""
        if talk.up and not talk.caller.wished and talk.caller.number not in self.moving:
            self._lose(talk.caller, f"agent's leg: {cause}")
        self.withdrawn += not talk.up and not talk.caller.wished

    def _agent_leaves(self, talk: Talk) -> None:
        if talk.leg not in self._talks or talk.caller.wished:
            return
        if talk.caller.number in self.moving:  # the agent's end alone may not be the caller's
            self._caller_leaves(talk.caller)
            return
        talk.caller.wished = "agent"
        self.on_moment("hang-up")
        self._agents.send(self._agents.endpoint.hang_up(talk.leg, time.time()))
        self._talk_over(talk.leg, "")

    def _talker_leaves(self, talk: Talk) -> None:
        self._caller_leaves(talk.caller)
