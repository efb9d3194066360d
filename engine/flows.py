"""The IVR's shell: keeps each caller's position, turns the machine's actions into inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.lookups import Lookups
from engine.tasks import Tasks
from engine.timers import Timers
from engine.turns import Turns, register
from ivr import actions as ivr
from ivr import machine
from ivr.flow import Flow, QueueNode
from ivr.loader import FlowSet
from ivr.nodes import lookup_again
from ivr.position import CallerFacts, Position, hidden
from router import effects as do
from router import inputs as on
from router.call import Call

if TYPE_CHECKING:
    from engine.floorside import FloorSide

EarlierCalls = Callable[[str], tuple[int, str]]
Resolve = Callable[[str], tuple[on.Destination, tuple[str, ...]]]


@dataclass(slots=True)
class Walk:
    """A caller in a flow. The flow stays the one they began with, also over a reload."""

    flow: Flow
    position: Position
    lookup: int = 0


class Flows:
    """Runs the flows of all calls of this engine."""

    def __init__(
        self,
        turns: Turns,
        timers: Timers,
        flows: FlowSet,
        lookups: Lookups,
        resolve: Resolve,
        earlier: EarlierCalls,
    ) -> None:
        self.flows = flows
        self.walks: dict[str, Walk] = {}
        self._turns = turns
        self._timers = timers
        self._lookups = lookups
        self._resolve = resolve
        self._earlier = earlier
        self._is_taken: Callable[[str], bool] = lambda agent: False
        self._tasks = Tasks("lookups")
        register(turns.inner, {do.StartFlow: self._start, do.StepFlow: self._step})

    def stand_beside(self, floor: FloorSide) -> None:
        """What each asks of the other: how a call leaves a queue, and who is in a call."""
        floor.takes_back = self.takes_back
        self._is_taken = floor.is_taken

    async def close(self) -> None:
        await self._tasks.close()
        await self._lookups.close()

    def forget(self, call: str) -> None:
        self.walks.pop(call, None)

    def adopt(self, call: str, position: Position) -> bool:
        """A caller in a flow of a dead engine goes on there; False where the flow, or the node
        they were at, is there no more."""
        flow = self.flows.get(position.flow)
        if flow is None or position.node not in flow.nodes:
            return False
        self.walks[call] = Walk(flow, position)
        self._wait(call, position)
        return True

    def lookup_lost(self, call: Call) -> None:
        """The answer of a lookup that a dead engine had under way does not come: ask again, or
        it failed."""
        walk = self.walks.get(call.id)
        if walk is None or walk.position.waiting_for != "lookup":
            return
        again = lookup_again(walk.flow, walk.position, self._turns.now())
        if again is not None:
            self._look_up(call, walk, again)
        else:
            self._take(call, ivr.LookupFailed("the engine was restarted"))

    def takes_back(self, call: str, reason: str) -> bool:
        """Whether the flow's queue node says how a call goes on that leaves the queue so."""
        walk = self.walks.get(call)
        if walk is None or walk.position.waiting_for != "queue":
            return False
        node = walk.flow.nodes.get(walk.position.node)
        return isinstance(node, QueueNode) and (reason in node.on or bool(node.next))

    def _start(self, call: Call, effect: do.StartFlow) -> None:
        flow = self.flows.get(effect.flow)
        if flow is None:
            self._turns.feed(call.id, on.FlowEnds((), False, f"no flow {effect.flow}"))
            return
        count, last = self._earlier(call.caller)
        facts = CallerFacts(
            call.caller,
            call.dialled,
            call.trunk,
            flow.language or call.rules.language,
            earlier_calls=count,
            last_outcome=last,
        )
        position, actions = machine.start(flow, facts, self._turns.now())
        self.walks[call.id] = Walk(flow, position)
        self._act(call, actions)

    def _step(self, call: Call, effect: do.StepFlow) -> None:
        happened: ivr.Input
        match effect.what:
            case "digit":
                happened = ivr.Digit(effect.value)
            case "play-ended":
                happened = ivr.PlayEnded()
            case "tick":
                happened = ivr.Tick()
            case "dial-ended":
                happened = ivr.DialEnded(effect.value)
            case "voicemail-ended":
                happened = ivr.VoicemailEnded()
            case "queue-left":
                happened = ivr.QueueLeft(effect.value)
        self._take(call, happened)

    def _take(self, call: Call, happened: ivr.Input) -> None:
        walk = self.walks.get(call.id)
        if walk is None or walk.position.ended:
            return
        now = self._turns.now()
        walk.position, actions = machine.step(walk.flow, walk.position, happened, now)
        self._act(call, actions)

    def _act(self, call: Call, actions: list[ivr.Action]) -> None:
        walk = self.walks[call.id]
        keys_hidden = hidden(walk.flow, walk.position)
        call.hidden_keys = keys_hidden
        says = any(isinstance(action, ivr.Say) for action in actions)
        works = any(isinstance(action, ivr.Lookup) for action in actions)
        for action in actions:
            match action:
                case ivr.Say(prompts, barge_in):
                    self._turns.feed(call.id, on.FlowSays(prompts, barge_in, keys_hidden, works))
                case ivr.Lookup():
                    if not says:
                        self._turns.feed(call.id, on.FlowWorks())
                    self._look_up(call, walk, action)
                case ivr.Enqueue(queue, priority, rank, skills, variables, prompts):
                    call.variables = dict(variables)
                    self._turns.feed(
                        call.id, on.FlowQueues(queue, priority, rank, dict(skills), prompts)
                    )
                case ivr.Dial(target, timeout_s, prompts):
                    self._turns.feed(call.id, self._dials(target, timeout_s, prompts))
                case ivr.Voicemail(greeting, max_s):
                    self._turns.feed(call.id, on.FlowTakesMessage(greeting, max_s))
                case ivr.RequestCallback(number, queue):
                    self._turns.feed(call.id, on.FlowPromisesCallback(number, queue))
                case ivr.HangUp(prompts, completed, reason):
                    refused = reason in ("closed", "blocked")
                    self._turns.feed(call.id, on.FlowEnds(prompts, completed, reason, refused))
        self._wait(call.id, walk.position)

    def _dials(self, target: str, timeout_s: float, prompts: tuple[object, ...]) -> on.FlowDials:
        """A phone is rung for one call at a time, by a flow as by the floor."""
        to, phones = self._resolve(target)
        if to.kind == "agent" and self._is_taken(to.name):
            return on.FlowDials(to, timeout_s, (), prompts, otherwise="busy")
        return on.FlowDials(to, timeout_s, phones, prompts)

    def _wait(self, call: str, position: Position) -> None:
        if position.deadline is None:
            self._timers.clear((call, "flow"))
            return
        self._timers.set(
            (call, "flow"),
            position.deadline,
            lambda: self._turns.feed(call, on.TimerFired("flow")),
        )

    def _look_up(self, call: Call, walk: Walk, action: ivr.Lookup) -> None:
        """The answer of a lookup that was overtaken (the caller left) is dropped."""
        walk.lookup += 1
        number = walk.lookup

        async def looking() -> None:
            answer = await self._lookups.look_up(action)
            if self.walks.get(call.id) is walk and walk.lookup == number:
                self._turns.together(lambda: self._take(call, answer))

        self._tasks.start(looking())
