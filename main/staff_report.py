"""Answers about staffing, as tables and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from main.simulate_report import percent, seconds, table
from main.staff_plan import Answer, Plan, Slot
from main.staff_trial import Trial
from queues.rehearsal.erlang import INFINITE, Aim, Expected
from queues.rehearsal.rehearsal_confidence import Estimate


def rostered(agents: int, shrinkage: float) -> int:
    """How many to pay, so that so many are at work."""
    return math.ceil(agents / (1.0 - shrinkage) - 1e-9)


def answer_table(found: Answer, shrinkage: float) -> str:
    """The question, a row for each way, the neighbours of the answer."""
    load, aim = found.load, found.aim
    patience = "" if load.patience_s == INFINITE else f", patience {load.patience_s:g} s"
    lines = [
        f"{load.calls_per_hour:g} calls an hour of {load.aht_s:g} s ({load.erlangs:.2f} erlangs)"
        f"{patience}: {_told(aim)}",
        "",
    ]
    rows: list[tuple[str, ...]] = [
        ("", "agents", "service level", "ASA s", "P(wait)", "abandon", "occupancy")
    ]
    rows.append(_formula_row("Erlang C", found.by_c))
    if found.by_a is not None:
        rows.append(_formula_row("Erlang A", found.by_a))
    if found.best is not None:
        rows.append(_trial_row("simulated", found.best, found))
        rows += [
            _trial_row("  one less", trial, found)
            for trial in found.trials
            if trial.agents == found.agents - 1
        ]
    lines += table(rows)
    lines += ["", f"answer: {_answer(found.agents, shrinkage)}"]
    if found.trials:
        lines.append("simulated figures: mean and half-width of 95 %, 20 batches of 1,500 calls")
    return "\n".join(lines)


def _answer(agents: int, shrinkage: float) -> str:
    at_work = f"{agents} agent{'s' if agents != 1 else ''}"
    if not shrinkage:
        return at_work
    return f"{at_work} at work, {rostered(agents, shrinkage)} on the roster"


def _told(aim: Aim) -> str:
    gone = "" if aim.abandon_max is None else f", at most {percent(aim.abandon_max)} abandoned"
    return f"{percent(aim.share)} within {aim.within_s:g} s{gone}"


def _formula_row(name: str, found: Expected) -> tuple[str, ...]:
    return (
        name,
        str(found.agents),
        percent(found.service_level),
        seconds(found.asa_s),
        percent(found.p_wait),
        percent(found.abandon_rate),
        percent(found.occupancy),
    )


def _trial_row(name: str, trial: Trial, found: Answer) -> tuple[str, ...]:
    busy = found.load.erlangs * (1.0 - trial.abandon_rate.mean) / trial.agents
    return (
        name,
        str(trial.agents),
        _share(trial.service_level),
        f"{trial.asa_s.mean:.1f} ± {trial.asa_s.half_width:.1f}",
        "",
        _share(trial.abandon_rate),
        percent(busy),
    )


def _share(figure: Estimate) -> str:
    return f"{100 * figure.mean:.1f} ± {100 * figure.half_width:.1f} %"


def answer_json(found: Answer, shrinkage: float) -> dict[str, object]:
    load, aim = found.load, found.aim
    return {
        "calls_per_hour": load.calls_per_hour,
        "aht_s": load.aht_s,
        "patience_s": None if load.patience_s == INFINITE else load.patience_s,
        "erlangs": load.erlangs,
        "aim": _aim_json(aim),
        "agents": found.agents,
        "rostered": rostered(found.agents, shrinkage),
        "erlang_c": _formula_json(found.by_c),
        "erlang_a": _formula_json(found.by_a),
        "simulated": [_trial_json(trial) for trial in found.trials] or None,
    }


def _aim_json(aim: Aim) -> dict[str, object]:
    return {"share": aim.share, "within_s": aim.within_s, "abandon_max": aim.abandon_max}


def _formula_json(found: Expected | None) -> dict[str, object] | None:
    if found is None:
        return None
    return {
        "agents": found.agents,
        "service_level": found.service_level,
        "asa_s": found.asa_s,
        "p_wait": found.p_wait,
        "abandon_rate": found.abandon_rate,
        "occupancy": found.occupancy,
    }


def _trial_json(trial: Trial) -> dict[str, object]:
    return {
        "agents": trial.agents,
        "confidence": 0.95,
        "service_level": _estimate_json(trial.service_level),
        "asa_s": _estimate_json(trial.asa_s),
        "abandon_rate": _estimate_json(trial.abandon_rate),
    }


def _estimate_json(figure: Estimate | None) -> dict[str, float] | None:
    return None if figure is None else {"mean": figure.mean, "half_width": figure.half_width}


def plan_table(plans: Sequence[Plan], zone: ZoneInfo, shrinkage: float) -> str:
    """A table for each queue."""
    return "\n\n".join(_plan_table(plan, zone, shrinkage) for plan in plans)


def _plan_table(plan: Plan, zone: ZoneInfo, shrinkage: float) -> str:
    with_a = any(slot.by_a is not None for slot in plan.slots)
    head = ["interval", "calls", "AHT s", "erlangs", "by C"]
    head += ["by A"] if with_a else []
    head += ["simulated"] if plan.days else []
    head += ["service level", "occupancy"] + (["roster"] if shrinkage else [])
    rows = [head]
    for slot in plan.slots:
        row = [
            clock(slot.start, slot.length_s, zone),
            f"{slot.load.calls_per_hour * slot.length_s / 3600:.1f}",
            f"{slot.load.aht_s:.0f}",
            f"{slot.load.erlangs:.2f}",
            _agents(slot.by_c),
        ]
        row += [_agents(slot.by_a)] if with_a else []
        row += [str(slot.agents)] if plan.days else []
        row += [_level(slot), percent(slot.occupancy(plan.aim))]
        row += [str(rostered(slot.agents, shrinkage))] if shrinkage else []
        rows.append(row)
    calls = math.fsum(slot.load.calls_per_hour * slot.length_s for slot in plan.slots) / 3600
    lines = [f"{plan.queue}: {_told(plan.aim)}", *table(rows)]
    lines.append(f"{calls:,.0f} calls, {plan.agent_hours:,.1f} agent hours")
    if plan.days and plan.service_level is not None:
        lines.append(
            f"simulated: {plan.days} days, service level of the day {_share(plan.service_level)} "
            "(95 %)"
        )
    return "\n".join(lines)


def clock(start: float, length_s: float, zone: ZoneInfo) -> str:
    """``08:00-08:30``, by the wall."""
    begin = datetime.fromtimestamp(start, zone)
    end = datetime.fromtimestamp(start + length_s, zone)
    return f"{begin:%H:%M}-{end:%H:%M}"


def _agents(found: Expected | None) -> str:
    return "-" if found is None else str(found.agents)


def _level(slot: Slot) -> str:
    if slot.service_level is not None:
        return _share(slot.service_level)
    formula = slot.formula
    return "-" if formula is None else percent(formula.service_level)


def plan_json(plans: Sequence[Plan], zone: ZoneInfo, shrinkage: float) -> dict[str, object]:
    return {
        "queues": {
            plan.queue: {
                "aim": _aim_json(plan.aim),
                "agent_hours": plan.agent_hours,
                "simulated_days": plan.days,
                "service_level": _estimate_json(plan.service_level),
                "intervals": [_slot_json(slot, plan, zone, shrinkage) for slot in plan.slots],
            }
            for plan in plans
        }
    }


def _slot_json(slot: Slot, plan: Plan, zone: ZoneInfo, shrinkage: float) -> dict[str, object]:
    return {
        "interval": clock(slot.start, slot.length_s, zone),
        "start": slot.start,
        "calls": slot.load.calls_per_hour * slot.length_s / 3600,
        "aht_s": slot.load.aht_s,
        "patience_s": None if slot.load.patience_s == INFINITE else slot.load.patience_s,
        "erlangs": slot.load.erlangs,
        "agents_c": None if slot.by_c is None else slot.by_c.agents,
        "agents_a": None if slot.by_a is None else slot.by_a.agents,
        "agents_simulated": slot.simulated,
        "agents": slot.agents,
        "rostered": rostered(slot.agents, shrinkage),
        "service_level": _estimate_json(slot.service_level)
        if slot.service_level is not None
        else (None if slot.formula is None else {"mean": slot.formula.service_level}),
        "occupancy": slot.occupancy(plan.aim),
    }
