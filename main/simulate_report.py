"""What a rehearsed day comes to: the live system's figures, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from queues.figures.statistics import Statistics
from queues.figures.tallies import HEADLINE, SERVICE_LEVELS, Figures, WorkTally, share


@dataclass(frozen=True, slots=True)
class Played:
    """A run that is over. ``seconds`` is how long it took by the wall, ``cpu_s`` on the
    processor, ``now`` where its clock stands."""

    statistics: Statistics
    now: float
    calls: int
    queues: Sequence[str]
    agents: Sequence[str]
    digest: str
    seconds: float
    cpu_s: float
    seed: int

    def occupancy(self) -> float | None:
        """Of all agents together."""
        total = WorkTally()
        for agent in self.agents:
            total.add(self.statistics.work(self.now, agent))
        return total.occupancy


def as_json(played: Played) -> dict[str, object]:
    """One object: the day's figures, those of each queue beside them."""
    total = played.statistics.figures(played.now)
    return {
        "calls": played.calls,
        "seconds": round(played.seconds, 3),
        "cpu_s": round(played.cpu_s, 3),
        "digest": played.digest,
        **_figures(total),
        "occupancy": played.occupancy(),
        "agents": len(played.agents),
        "seed": played.seed,
        "outcomes": dict(sorted(played.statistics.outcomes.items())),
        "queues": {
            name: _figures(played.statistics.figures(played.now, queue=name))
            for name in played.queues
        },
    }


def _figures(figures: Figures) -> dict[str, object]:
    tally = figures.tally
    return {
        "offered": tally.offered,
        "answered": tally.answered,
        "abandoned": tally.abandoned,
        "short_abandoned": tally.short,
        "overflowed": tally.overflowed,
        "callback_requested": tally.callback_requested,
        "removed": tally.removed,
        "service_level": figures.service_levels,
        "asa_s": figures.asa_s,
        "aht_s": figures.aht_s,
        "abandon_rate": figures.abandon_rate,
        "longest_wait_s": figures.longest_wait_s,
    }


HEAD = (
    "queue", "offered", "answered", "abandoned", "overflow", "callback", f"SL {HEADLINE}",
    "ASA s", "AHT s", "abandon", "longest s",
)  # fmt: skip


def as_table(played: Played) -> str:
    """A row for each queue that saw a call and one for all; the six definitions below."""
    statistics, now = played.statistics, played.now
    rows = [
        _row(name, figures)
        for name in played.queues
        if (figures := statistics.figures(now, queue=name)).tally.offered
    ]
    total = statistics.figures(now)
    lines = table([HEAD, *rows, _row("all", total)])
    levels = total.service_levels
    lines.append("")
    lines.append("service level by definition:")
    lines += [f"  {name:<20} {percent(levels[name])}" for name in SERVICE_LEVELS]
    lines.append("")
    lines.append(
        f"{played.calls:,} calls, {len(played.agents):,} agents, occupancy "
        f"{percent(played.occupancy())}; {played.seconds:.1f} s, seed {played.seed}, "
        f"digest {played.digest}"
    )
    return "\n".join(lines)


def _row(name: str, figures: Figures) -> tuple[str, ...]:
    tally = figures.tally
    return (
        name,
        f"{tally.offered:,}",
        f"{tally.answered:,}",
        f"{tally.abandoned:,}",
        f"{tally.overflowed:,}",
        f"{tally.callback_requested:,}",
        percent(figures.service_level),
        seconds(figures.asa_s),
        seconds(figures.aht_s),
        percent(share(tally.abandoned, tally.offered)),
        seconds(figures.longest_wait_s),
    )


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as they need; the first to the left, all others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def percent(part: float | None) -> str:
    """``82.4 %``; a dash for nothing of nothing."""
    return "-" if part is None else f"{100 * part:.1f} %"


def seconds(value: float | None) -> str:
    """With a tenth; a dash for nothing."""
    return "-" if value is None else f"{value:.1f}"
