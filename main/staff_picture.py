"""Staffing as a picture, PNG or SVG: agents and service level through the day, or by number of
agents. matplotlib is imported here and nowhere else: who wants no picture need not wait for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from config.errors import PeerError
from main.staff_plan import Answer, Plan, Slot
from queues.rehearsal.erlang import INFINITE, Load, expected

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

QUEUES_MAX = 6
INK, QUIET, GRID = "#1f2933", "#7b8794", "#e4e7eb"
AGENTS, LOAD, BY_C, BY_A = "#a9cdee", "#5b8fc7", "#c2410c", "#15803d"
LEVEL, AIM, BUSY = "#1d4ed8", "#b91c1c", "#7b8794"


class PictureError(PeerError):
    """The picture cannot be made or written."""


def draw_plans(plans: Sequence[Plan], file: Path, zone: ZoneInfo, told: str) -> None:
    """One column for each queue (``QUEUES_MAX`` at most, by name): agents above, service level
    below. Raises PictureError."""
    if len(plans) > QUEUES_MAX:
        raise PictureError(
            f"a picture holds {QUEUES_MAX} queues, not {len(plans)}; choose one with --queue"
        )
    figure = _figure(6.2 * len(plans) + 2.6 if len(plans) > 1 else 10.5, 7.2)
    grid = figure.subplots(
        2, len(plans), squeeze=False, sharex="col", gridspec_kw={"height_ratios": [3, 2]}
    )
    for column, plan in enumerate(plans):
        _agents(grid[0][column], plan)
        _levels(grid[1][column], plan)
        _hours(grid[1][column], plan, zone)
        grid[0][column].set_title(_heading(plan), loc="left", fontsize=11, color=INK)
    figure.suptitle(f"Agents needed: {told}", x=0.01, ha="left", fontsize=14, color=INK)
    _write(figure, file)


def draw_answer(found: Answer, file: Path) -> None:
    """Service level by number of agents: the curves of the formulas, the trials with their
    half-widths. Raises PictureError."""
    load, aim = found.load, found.aim
    least = max(1, math.floor(min(load.erlangs, found.agents) * 0.8))
    most = max(found.by_c.agents, found.agents) + 3
    numbers = range(least, most + 1)
    figure = _figure(8.5, 5.2)
    axes = figure.subplots()
    patient = Load(load.calls_per_hour, load.aht_s)
    curves = [("Erlang C: callers wait for ever", patient, BY_C)]
    if load.patience_s != INFINITE:
        curves.append((f"Erlang A: patience {load.patience_s:g} s", load, BY_A))
    for label, curve, colour in curves:
        levels = [expected(curve, n, aim.within_s).service_level for n in numbers]
        axes.plot(numbers, levels, "o-", color=colour, label=label, markersize=4)
    if found.trials:
        axes.errorbar(
            [trial.agents for trial in found.trials],
            [trial.service_level.mean for trial in found.trials],
            yerr=[trial.service_level.half_width for trial in found.trials],
            fmt="s", color=LEVEL, capsize=4, label="simulated, 95 %",
        )  # fmt: skip
    axes.axhline(aim.share, color=AIM, linestyle="--", linewidth=1)
    axes.axvline(found.agents, color=QUIET, linestyle=":", linewidth=1)
    axes.annotate(
        f"{found.agents} agents", (found.agents, 0.02), xytext=(4, 0),
        textcoords="offset points", color=INK, fontsize=10,
    )  # fmt: skip
    axes.set_xlabel("agents at work")
    axes.set_ylabel(f"answered within {aim.within_s:g} s")
    axes.set_title(
        f"{load.calls_per_hour:g} calls an hour of {load.aht_s:g} s, "
        f"aim {100 * aim.share:g} % within {aim.within_s:g} s",
        loc="left", fontsize=12, color=INK,
    )  # fmt: skip
    _percent_axis(axes)
    _whole(axes.xaxis)
    axes.legend(frameon=False, loc="lower right")
    _write(figure, file)


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib import rcParams
        from matplotlib.figure import Figure
    except ImportError as error:
        raise PictureError("a picture needs matplotlib; make setup installs it") from error
    rcParams["svg.hashsalt"] = "offhook"  # the same plan, the same file
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def _write(figure: Figure, file: Path) -> None:
    metadata: dict[str, Any] = {"Date": None} if file.suffix == ".svg" else {}
    try:
        figure.savefig(file, dpi=130, metadata=metadata)
    except OSError as error:
        raise PictureError(f"{file} cannot be written: {error.strerror}") from error


def _heading(plan: Plan) -> str:
    aim = f"aim {100 * plan.aim.share:g} % within {plan.aim.within_s:g} s"
    return f"{plan.queue}: {plan.agent_hours:,.1f} agent hours, {aim}"


def _edges(slots: Sequence[Slot], values: Sequence[float]) -> tuple[list[float], list[float]]:
    """A staircase that falls to nothing between slots that do not touch."""
    x: list[float] = []
    y: list[float] = []
    for slot, height in zip(slots, values, strict=True):
        if x and x[-1] < slot.start:
            x.append(slot.start)
            y.append(math.nan)
        x += [slot.start, slot.start + slot.length_s]
        y += [height, height]
    return x, y


def _agents(axes: Axes, plan: Plan) -> None:
    slots = plan.slots
    axes.bar(
        [slot.start for slot in slots],
        [slot.agents for slot in slots],
        width=[slot.length_s * 0.94 for slot in slots],
        align="edge",
        color=AGENTS,
        label="agents" + (", simulated" if plan.days else ""),
    )
    axes.bar(
        [slot.start for slot in slots],
        [slot.load.erlangs for slot in slots],
        width=[slot.length_s * 0.94 for slot in slots],
        align="edge",
        color=LOAD,
        label="of them at work on calls (erlangs)",
    )
    for slot in slots:
        if slot.agents:
            axes.annotate(
                str(slot.agents), (slot.start + slot.length_s * 0.47, slot.agents),
                ha="center", va="top", xytext=(0, -3), textcoords="offset points",
                fontsize=8, color=INK,
            )  # fmt: skip
    by_c = [slot.by_c.agents if slot.by_c else 0 for slot in slots]
    axes.plot(*_edges(slots, by_c), color=BY_C, linewidth=1.6, label="Erlang C")
    if any(slot.by_a for slot in slots):
        by_a = [slot.by_a.agents if slot.by_a else 0 for slot in slots]
        axes.plot(*_edges(slots, by_a), color=BY_A, linewidth=1.6, linestyle="--", label="Erlang A")
    axes.set_ylabel("agents at work")
    axes.set_ylim(0, max(1, *by_c, *(slot.agents for slot in slots)) * 1.22)
    _whole(axes.yaxis)
    _plain(axes)
    axes.legend(frameon=False, ncols=4, loc="upper left", fontsize=9)


def _levels(axes: Axes, plan: Plan) -> None:
    slots = [slot for slot in plan.slots if slot.load.calls_per_hour > 0 and slot.agents]
    middles = [slot.start + slot.length_s / 2 for slot in slots]
    simulated = [slot for slot in slots if slot.service_level is not None]
    if simulated:
        figures = [slot.service_level for slot in simulated if slot.service_level is not None]
        low = [min(figure.half_width, figure.mean) for figure in figures]
        high = [min(figure.half_width, 1.0 - figure.mean) for figure in figures]
        axes.errorbar(
            [slot.start + slot.length_s / 2 for slot in simulated],
            [figure.mean for figure in figures],
            yerr=[low, high],
            fmt="o", markersize=5, color=LEVEL, ecolor="#93b4f5", elinewidth=2,
            label=f"service level, {plan.days} simulated days, 95 %",
        )  # fmt: skip
    else:
        levels = [slot.formula.service_level if slot.formula else math.nan for slot in slots]
        axes.plot(middles, levels, "o", color=LEVEL, label="service level, by formula")
    busy = [slot.occupancy(plan.aim) or 0.0 for slot in slots]
    axes.plot(middles, busy, color=BUSY, linewidth=1.2, label="occupancy")
    axes.axhline(plan.aim.share, color=AIM, linestyle="--", linewidth=1, label="aim")
    _percent_axis(axes)
    axes.legend(frameon=False, ncols=3, loc="lower left", fontsize=9)


def _percent_axis(axes: Axes) -> None:
    axes.set_ylim(0, 1.03)
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1.0], ["0", "20", "40", "60", "80", "100 %"])
    _plain(axes)


def _whole(axis: Axis) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))


def _plain(axes: Axes) -> None:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(QUIET)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9, length=0)


def _hours(axes: Axes, plan: Plan, zone: ZoneInfo) -> None:
    """Full hours below, as many as there is room for."""
    first, last = plan.slots[0], plan.slots[-1]
    end = last.start + last.length_s
    hours = max(1, round((end - first.start) / 3600 / 12))
    begin = math.ceil(first.start / 3600) * 3600
    ticks = [begin + step * 3600 * hours for step in range(int((end - begin) / 3600 / hours) + 1)]
    axes.set_xticks(ticks, [f"{datetime.fromtimestamp(tick, zone):%H:%M}" for tick in ticks])
    axes.set_xlim(first.start - 300, end + 300)
