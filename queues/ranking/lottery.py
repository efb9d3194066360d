"""Lots of weighted-random queues: exact shares, and yet every agent has a sort key.

Among the ready agents of a queue and level the next one should be any of them with a chance in
proportion to the weight. So each draws a waiting time, exponential with the weight as its rate:
the smallest belongs to each agent with just that chance. Who is taken moves the clock of the
queue and level on to their lot; what is left of the others' waiting times is exponential again
(it has no memory), and whoever gets ready draws from the clock on. Agents who were passed over,
because the call needed something they cannot do, have lots behind the clock and draw anew from it.

Lots are hashes of the seed, the queue, the agent and how often the agent drew: pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from itertools import takewhile
from math import log

from queues.agents import READY, Agent
from queues.order import Line
from queues.rules import AgentRules, FloorRules

Lot = tuple[float, str]
Place = tuple[str, int]  # queue and level


class Lottery:
    """The ready agents of the weighted-random queues by queue and level, with their lots.

    Made anew with the rules from what the agents keep: ``Agent.lots`` and, so that the clocks
    can be told from the agents alone, ``Agent.won``, the lots by which they were taken last.
    """

    def __init__(self, rules: FloorRules, agents: Iterable[Agent]) -> None:
        self._seed = rules.random_seed
        self._queues = frozenset(
            name for name, queue in rules.queues.items() if queue.strategy == "weighted-random"
        )
        self._clocks: dict[Place, float] = {}
        self._ready: dict[Place, Line[Lot]] = {}
        for agent in agents:
            agent.won = {queue: lot for queue, lot in agent.won.items() if queue in self._queues}
            for queue, lot in agent.won.items():
                place = queue, agent.level(queue)
                self._clocks[place] = max(lot, self._clocks.get(place, 0.0))

    def __bool__(self) -> bool:
        """Whether there are weighted-random queues at all."""
        return bool(self._queues)

    def count_in(self, agent: Agent, former: AgentRules) -> None:
        """An agent whose rules were others: lots that these would not have drawn are void."""
        ours = agent.rules
        agent.lots = {
            queue: lot
            for queue, lot in agent.lots.items()
            if queue in self._queues
            and (ours.weight, ours.queues.get(queue)) == (former.weight, former.queues.get(queue))
        }
        if agent.standing == READY:
            self._line_up(agent)

    def enter(self, agent: Agent, keep: str = "") -> None:
        """The agent gets ready and draws, except in ``keep``: the queue whose offer was
        withdrawn, where the turn is not lost."""
        agent.lots = {queue: lot for queue, lot in agent.lots.items() if queue == keep}
        self._line_up(agent)

    def leave(self, agent: Agent) -> None:
        """The agent is not ready any more."""
        for queue, level in agent.rules.queues.items():
            if queue in self._queues:
                self._ready[queue, level].remove((agent.lots[queue], agent.id))

    def take(self, agent: Agent, queue: str) -> list[str]:
        """A ready agent is taken for a call of the queue: moves the clock, and gives the ids
        of the others whose lots are behind it. Each of them has to ``redraw``."""
        place = queue, agent.level(queue)
        line = self._ready.get(place)
        if line is None or queue not in agent.lots:
            return []
        agent.won = agent.won | {queue: agent.lots[queue]}
        clock = self._clocks[place] = max(agent.lots[queue], self._clocks.get(place, 0.0))
        behind = takewhile(lambda lot: lot[0] < clock, line)
        return [ident for _, ident in behind if ident != agent.id]

    def redraw(self, agent: Agent, queue: str) -> None:
        """A ready agent draws anew in one queue."""
        place = queue, agent.level(queue)
        line = self._ready[place]
        line.remove((agent.lots[queue], agent.id))
        agent.draws += 1
        agent.lots = agent.lots | {queue: self._draw(agent, place)}
        line.add((agent.lots[queue], agent.id))

    def _line_up(self, agent: Agent) -> None:
        """Into the lines, with a lot for each queue where there is none yet."""
        places = [place for place in agent.rules.queues.items() if place[0] in self._queues]
        agent.draws += any(queue not in agent.lots for queue, _ in places)
        drawn = {place[0]: self._draw(agent, place) for place in places}
        agent.lots = drawn | agent.lots
        for place in places:
            self._ready.setdefault(place, Line()).add((agent.lots[place[0]], agent.id))

    def _draw(self, agent: Agent, place: Place) -> float:
        ticket = f"{self._seed}\0{place[0]}\0{agent.id}\0{agent.draws}".encode()
        number = int.from_bytes(blake2b(ticket, digest_size=8).digest(), "big")
        share = (number + 0.5) / 2.0**64  # above 0; rounds to 1 at most, where the lot is 0
        return self._clocks.get(place, 0.0) - log(share) / agent.rules.weight
