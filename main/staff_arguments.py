"""The arguments of ``offhook staff``."""

from __future__ import annotations

import argparse
from pathlib import Path

from main.simulate_arguments import count, part, positive

ABOUT = """\
How many agents do I need for N calls an hour of S seconds, to answer 80 % in 20 s? With Erlang C
(callers wait for ever), Erlang A (they lose patience) and through the production floor.
"""
EXAMPLES = """\
examples:
  offhook staff --calls 100 --aht 240 --patience 120
  offhook staff --calls 100 --aht 240 --within 30 --share 0.9 --shrinkage 0.3
  offhook staff --forecast day.csv --picture day.png    interval,calls,aht_s[,queue,patience_s]
  offhook staff --history yesterday -c my.yaml --picture day.svg
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command's arguments."""
    staff = commands.add_parser(
        "staff",
        help="how many agents for so many calls",
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    load = staff.add_argument_group("the load: one of --calls, --forecast, --history")
    load.add_argument("--calls", type=positive, metavar="N", help="an hour")
    load.add_argument(
        "--aht", type=positive, default=180.0, metavar="S", help="talk, hold, wrap-up: 180"
    )
    load.add_argument(
        "--patience", type=positive, metavar="S", help="mean, of those whose patience is not known"
    )
    load.add_argument("--forecast", type=Path, metavar="CSV", help="a day, by interval and queue")
    load.add_argument("--history", metavar="DAY", help="'yesterday' or a day of the call history")
    load.add_argument(
        "--weeks", type=count, default=1, metavar="N", help="mean of so many such weekdays: 1"
    )
    load.add_argument("-c", "--config", type=Path, help="with queues, aims and call history")
    load.add_argument("--queue", metavar="NAME", help="only this one")
    aim = staff.add_argument_group("the aim")
    aim.add_argument("--within", type=positive, metavar="S", help="default: the queue's, or 20")
    aim.add_argument("--share", type=part, metavar="SHARE", help="default: the queue's, or 0.8")
    aim.add_argument("--abandon-max", type=part, metavar="SHARE", help="may hang up")
    aim.add_argument(
        "--shrinkage", type=part, default=0.0, metavar="SHARE", help="paid but not at work: 0"
    )
    staff.add_argument("--no-simulation", action="store_true", help="formulas only")
    staff.add_argument("--seed", type=int, default=1, metavar="N", help="of chance: 1")
    staff.add_argument("--json", action="store_true", help="end with one JSON object")
    staff.add_argument("--picture", type=Path, metavar="FILE", help="day.png or day.svg")
