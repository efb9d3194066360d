"""The story of one call on the floor: each of its facts in a sentence, each decision explained."""

from __future__ import annotations

from dataclasses import dataclass

from queues.events import (
    CallbackDue,
    CallbackEnded,
    CallbackMissed,
    CallbackPlaced,
    CallbackReached,
    CallChanged,
    CallPromoted,
    CallQueued,
    CallWidened,
    OfferEnded,
    OfferMade,
    QueueVisitEnded,
    WaitRaised,
)
from queues.rules import PERSONAL
from queues.state import FloorState
from queues.why.explain import Decision, Known, explain, recorded
from queues.why.replay import next_fact
from queues.why.wording import (
    CALLBACK_ENDS,
    ENDS,
    VISIT_ENDS,
    Names,
    listed,
    needs_of,
    queue_name,
    raised,
    seconds,
    sent_on,
)
from router.events import AgentLost, CallConnected, CallSentOn, CallTransferred

IDLE_STEP_S = 10.0  # where the rules of the time are not known any more


@dataclass(frozen=True, slots=True)
class Step:
    """One fact: its number in the log, unix time, sentence; and what was decided, if it was."""

    seq: int
    at: float
    text: str
    decision: Decision | None = None


class Story:
    """Takes the call's facts in order. ``state`` is the floor just before the fact, where it is
    known: then a decision is recomputed and told completely, if that comes to the same."""

    def __init__(self, call: str, names: Names) -> None:
        self.call = call
        self.steps: list[Step] = []
        self._names = names
        self._known = Known()

    def take(self, seq: int, at: float, event: object, state: FloorState | None) -> None:
        """The call's next fact; what is no fact of the floor is left out."""
        if isinstance(event, OfferMade):
            decision = self._decided(seq, at, event, state)
            self.steps.append(Step(seq, at, decision.text, decision))
            return
        text = self._sentence(event)
        if text:
            self.steps.append(Step(seq, at, text))
        self._known.note(event, at)

    def _decided(self, seq: int, at: float, event: OfferMade, state: FloorState | None) -> Decision:
        if state is not None and next_fact(state) == (self.call, event):
            return explain(state, seq, at, self.call, event, self._names)
        step = IDLE_STEP_S if state is None else state.rules.idle_step_s
        return recorded(self._known, seq, at, event, step, self._names)

    def _name(self, agent: str) -> str:
        return self._names.get(agent, agent)

    def _sentence(self, event: object) -> str:
        match event:
            case CallQueued():
                return self._queued(event)
            case CallWidened():
                return self._widened(event)
            case CallChanged():
                by = f" by {self._name(event.by)}" if event.by else ""
                needs = tuple(sorted(event.skills.items()))
                skills = f", needs {needs_of(needs)}" if needs else ""
                return f"Changed{by}: class {event.rank}, priority {event.priority}{skills}."
            case CallPromoted():
                waited = seconds(event.waited_s)
                return f"Lifted over the classes after {waited} of waiting."
            case OfferEnded():
                return self._offer_ended(event)
            case QueueVisitEnded():
                queue = queue_name(event.queue, self._names)
                how = VISIT_ENDS.get(event.end, event.end)
                cause = f" ({event.cause})" if event.cause else ""
                return f"Left {queue} after {seconds(event.waited_s)}: {how}{cause}."
            case WaitRaised():
                return raised(event.reason, event.low_s, event.high_s)
            case CallSentOn():
                return sent_on(event.to)
        return self._callback(event) or self._beside(event)

    def _queued(self, event: CallQueued) -> str:
        queue = queue_name(event.queue, self._names)
        if event.returned:
            return f"Back at the head of {queue} after its agent was lost."
        told = [f"class {event.rank}" if event.rank else "an emergency"]
        if event.priority:
            told.append(f"priority {event.priority}")
        if event.skills:
            told.append(f"needs {needs_of(tuple(sorted(event.skills.items())))}")
        if event.only:
            told.append(f"for {self._name(event.only)}")
        again = " again, in the old place" if event.resumed else ""
        return f"Joined {queue}{again} ({', '.join(told)})."

    def _widened(self, event: CallWidened) -> str:
        before = self._known.wants
        told = []
        if before.only and not event.only:
            told.append(f"others than {self._name(before.only)} may take it")
        if event.level_max > before.level_max:
            told.append(f"agents up to level {event.level_max} may take it")
        dropped = tuple(need for need in before.needs if need[0] not in event.skills)
        if dropped:
            told.append(f"{needs_of(dropped)} {'is' if len(dropped) == 1 else 'are'} not needed")
        changes = listed(told) or "more agents may take it"
        return f"After {seconds(event.waited_s)} of waiting {changes}."

    def _offer_ended(self, event: OfferEnded) -> str:
        name = self._name(event.agent)
        cause = f" ({event.cause})" if event.cause else ""
        if event.end == "withdrawn":
            return f"The offer to {name} was withdrawn{cause}."
        return f"{name} {ENDS.get(event.end, event.end)}{cause}."

    def _beside(self, event: object) -> str:
        """What became of the call outside any queue."""
        match event:
            case CallTransferred():
                by = f" by {self._name(event.by)}" if event.by else ""
                return f"Put through{by} to {self._target(event.target)}."
            case CallConnected():
                who = f"{self._name(event.agent)} in person" if event.agent else "a number outside"
                return f"Connected with {who}."
            case AgentLost():
                return f"{self._name(event.agent)} was lost in mid-call ({event.cause})."
        return ""

    def _target(self, target: str) -> str:
        kind, _, name = target.partition(" ")
        match kind:
            case "agent":
                return self._name(name)
            case "queue":
                return queue_name(name, self._names) if PERSONAL in name else f"the queue {name}"
            case "flow":
                return f"the flow {name}"
        return "a number outside"

    def _callback(self, event: object) -> str:
        match event:
            case CallbackPlaced():
                return "The caller hung up to be called back; the place is kept."
            case CallbackMissed():
                return f"Attempt {event.attempt} to call back reached nobody ({event.cause})."
            case CallbackDue():
                return "The callback's turn may come again."
            case CallbackReached():
                return f"The caller is on the line again, {self._name(event.agent)} is rung."
            case CallbackEnded():
                how = CALLBACK_ENDS.get(event.end, event.end)
                cause = f" ({event.cause})" if event.cause else ""
                return f"The callback is over: {how}{cause}."
        return ""
