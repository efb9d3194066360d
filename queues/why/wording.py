"""The words of explanations: one list for all strategies, reasons and times.

Text is English and plain; agents are called as ``names`` says (id to name), seconds are rounded
to what a person would say. Callers do not appear.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from queues.agents import LEVEL, NO_PHONE, NOT_ASKED, SKILLS
from queues.events import SortKey
from queues.ranking.strategies import share_of
from queues.rules import PERSONAL
from queues.wants import Needs, Wants

Names = Mapping[str, str]

STANDINGS: Mapping[str, str] = {
    "signed-out": "signed out",
    "on-break": "on a break",
    "offered": "being rung",
    "reserved": "held for a callback",
    "talking": "talking",
    "wrap-up": "in wrap-up",
    NO_PHONE: "without a registered phone",
    SKILLS: "without the skills it needs",
    LEVEL: "of a level that may not take it yet",
    NOT_ASKED: "not the one agent it is for",
}

ENDS: Mapping[str, str] = {
    "accepted": "answered",
    "refused": "refused",
    "rung-out": "did not answer",
    "withdrawn": "was withdrawn",
    "unreachable": "could not be reached",
}

VISIT_ENDS: Mapping[str, str] = {
    "connected": "connected",
    "abandoned": "the caller hung up",
    "overflowed": "moved on by the queue's rules",
    "callback-requested": "the caller asked to be called back",
    "removed": "taken out of the queue",
}

CALLBACK_ENDS: Mapping[str, str] = {
    "connected": "connected",
    "abandoned": "the caller hung up before the agent answered",
    "gave-up": "the caller was not reached",
    "expired": "its time ran out before its turn came",
    "cancelled": "cancelled",
}

RAISES: Mapping[str, str] = {
    "inserted-ahead": "somebody was put ahead",
    "agent-left": "an agent left",
    "slower-than-expected": "talks take longer than expected",
}

SENT_ON: Mapping[str, str] = {
    "flow": "Sent back to the flow, which says how it goes on.",
    "voicemail": "Sent on to leave a message.",
    "callback": "Sent on to be called back.",
    "announcement": "Sent on to an announcement, which ends the call.",
    "number": "Sent on to a number outside.",
    "hang-up": "Hung up.",
}

TIE = "equal in all that counts; the longer idle, then the id decides"


def seconds(value: float) -> str:
    """``4 s``, ``2 min 5 s``, ``1 h 3 min``."""
    whole = max(0, round(value))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    rest = whole % 3600 // 60
    return f"{whole // 3600} h {rest} min" if rest else f"{whole // 3600} h"


def plural(count: int, one: str, many: str = "") -> str:
    """``1 call``, ``3 calls``."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def listed(parts: Sequence[str], last: str = "and") -> str:
    """``a, b and c``."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {last} {parts[-1]}"


def queue_name(queue: str, names: Names) -> str:
    """``support``, or ``Anna's own queue``."""
    if queue.startswith(PERSONAL):
        agent = queue[len(PERSONAL) :]
        return f"{names.get(agent, agent)}'s own queue"
    return queue


def needs_of(needs: Needs) -> str:
    """``the skill 'german'``, ``the skills 'german' (level 2 or better) and 'sales'``."""
    told = [
        f"'{skill}'" + (f" (level {weakest} or better)" if weakest < 9 else "")
        for skill, weakest in needs
    ]
    return f"the skill{'s' if len(told) > 1 else ''} {listed(told)}"


def standing(reason: str, wants: Wants, names: Names) -> str:
    """Why an agent is left out, as said after the number or the name."""
    if reason == SKILLS and wants.needs:
        return f"without {needs_of(wants.needs)}"
    if reason == LEVEL and wants.level_max:
        return f"of a level beyond {wants.level_max}, which may not take it yet"
    if reason == NOT_ASKED and wants.only:
        return f"not {names.get(wants.only, wants.only)}, whom it is for"
    return STANDINGS.get(reason, reason)


def left_out(excluded: Mapping[str, int], wants: Wants, names: Names) -> str:
    """``3 talking, 2 on a break and 1 without the skill 'german'``; "" where nobody is."""
    order = sorted(excluded.items(), key=lambda item: (-item[1], item[0]))
    return listed([f"{count} {standing(reason, wants, names)}" for reason, count in order])


def key_words(key: SortKey, strategy: str, idle_step_s: float, at: float) -> str:
    """A sort key as a person reads it: ``level 1, idle 40 s, 2 other queues``."""
    level, figure, others = key
    told = [f"level {level}"]
    figured = _figure(figure, strategy, idle_step_s, at)
    if figured:
        told.append(figured)
    told.append(plural(others, "other queue"))
    return ", ".join(told)


def _figure(figure: float, strategy: str, idle_step_s: float, at: float) -> str:
    """One agent's figure; "" where it means nothing by itself."""
    match strategy:
        case "longest-idle" | "ring-all":
            return f"idle for about {seconds(at - figure * idle_step_s)}"
        case "least-occupied":
            return f"occupied {_per_cent(figure, at)} of the time"
        case "fewest-calls":
            return f"{plural(int(figure), 'call')} taken"
        case "round-robin":
            return (
                "not rung in this queue yet"
                if figure == 0
                else f"last rung by offer number {figure:g}"
            )
        case "linear":
            return f"position {figure:g}"
        case "best-skill":
            return f"skill levels add up to {figure:g}"
        case "weighted-random":
            return f"lot {figure:.4g}"
        case _:
            return ""


def advantage(
    winner: SortKey,
    other: SortKey,
    name: str,
    strategy: str,
    longer: str,
    queue: str,
    at: float,
) -> str:
    """Why the winner's key comes before another agent's (``name``): the first part that differs.
    ``longer``: how much longer the winner was idle; ``at``: when it was decided."""
    if winner[0] != other[0]:
        return f"level {winner[0]} in {queue} ({name}: {other[0]})"
    if winner[1] != other[1]:
        return _better(winner[1], other[1], name, strategy, longer, at)
    if winner[2] != other[2]:
        return (
            f"needed by {plural(winner[2], 'other queue')} ({name}: {other[2]}), all else being "
            "equal"
        )
    return f"{TIE} ({name} was next)"


def _better(mine: float, theirs: float, name: str, strategy: str, longer: str, at: float) -> str:
    match strategy:
        case "longest-idle" | "ring-all":
            return f"idle {longer} longer than {name}"
        case "least-occupied":
            others = _per_cent(theirs, at)
            return f"occupied {_per_cent(mine, at)} of the time ({name}: {others})"
        case "fewest-calls":
            return f"{plural(int(mine), 'call')} taken since sign-in ({name}: {theirs:g})"
        case "round-robin" if mine == 0:
            return f"not rung in this queue yet ({name} was)"
        case "round-robin":
            return f"last rung in this queue longer ago than {name}"
        case "linear":
            return f"position {mine:g} in the list ({name}: {theirs:g})"
        case "best-skill":
            return f"levels of the skills it needs add up to {mine:g} ({name}: {theirs:g})"
        case "weighted-random":
            return f"drawn by lot before {name}"
        case _:  # of another version
            return f"before {name} by {strategy}"


def _per_cent(figure: float, at: float) -> str:
    """The share of occupied time; a figure of another version may be beyond all bounds."""
    try:
        share = min(1.0, share_of(figure, at))
    except OverflowError:
        share = 1.0
    return f"{100 * share:.3g} %"


def sent_on(to: str) -> str:
    """The sentence of where a queue's rules sent a call."""
    queue = to.removeprefix("queue:")
    if queue != to:
        return f"Sent on to the queue {queue}."
    return SENT_ON.get(to, f"Sent on ({to}).")


def raised(reason: str, low_s: float, high_s: float) -> str:
    """The sentence of a wait that grew."""
    why = RAISES.get(reason, reason)
    return f"The expected wait grew to {seconds(low_s)} - {seconds(high_s)}: {why}."
