"""The agents of one queue, and the pools of its calls that are alike."""

from __future__ import annotations

from queues.agents import STANDINGS, Agent, AgentKey
from queues.order import Line
from queues.ranking.strategies import BY_NEEDS, RANKS
from queues.rules import FloorRules
from queues.waiting import CallKey
from queues.wants import Wants

NOBODY: Line[AgentKey] = Line()  # stays empty; most pools never see an idle agent


class Pool:
    """Calls of one queue that want the same, and the ready agents any of them could get."""

    __slots__ = ("calls", "head", "ready", "team", "wants")

    def __init__(self, team: Team, wants: Wants) -> None:
        self.team = team
        self.wants = wants
        self.calls: Line[CallKey] = Line()
        self.head: CallKey | None = None  # the first of the calls
        self.ready: Line[AgentKey] = NOBODY

    def line_up(self, key: AgentKey) -> None:
        """One more agent is ready."""
        if self.ready is NOBODY:
            self.ready = Line()
        self.ready.add(key)


class Team:
    """The agents who serve one queue: counted by standing, those READY also by level."""

    __slots__ = (
        "agents",
        "by_needs",
        "firsts",
        "heads",
        "levels",
        "pools",
        "queue",
        "rank",
        "standings",
    )

    def __init__(self, queue: str, rules: FloorRules) -> None:
        found = rules.queues.get(queue)
        strategy = "longest-idle" if found is None else found.strategy
        self.queue = queue
        self.rank = RANKS[strategy]
        self.by_needs = strategy in BY_NEEDS
        self.agents: dict[str, Agent] = {}
        self.standings = dict.fromkeys(STANDINGS, 0)
        self.levels: dict[int, int] = {}
        self.pools: dict[Wants, Pool] = {}
        self.heads: list[Pool] = []  # the pools with calls, by their first
        self.firsts: list[CallKey] = []

    def key(self, agent: Agent, wants: Wants) -> AgentKey:
        """The agent's sort key for calls that want this."""
        queues = agent.rules.queues
        level = queues.get(self.queue)
        others = len(queues)
        if level is None:  # their personal queue
            level = 1
        else:
            others -= 1
        figure = self.rank(agent, self.queue, wants.needs)
        return AgentKey(level, figure, others, agent.idle_step, agent.id)
