"""What ``offhook upgrade``, ``drain`` and ``reload`` are asked with."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parsers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    upgrade = commands.add_parser(
        "upgrade",
        help="replace the running engine by the version on disk; calls go on",
        description="Loads the version that is on disk now, with the configuration as it is now; "
        "when it is ready to run, the old engine makes way. Where it does not come up, the old one "
        "goes on. SIGHUP to the supervisor does the same.",
    )
    drain = commands.add_parser(
        "drain",
        help="take no new calls, end when the last one has ended",
        description="New calls get 503 with Retry-After, or a redirection to a peer. Calls in "
        "progress go on and waiting ones are answered; agents may change their presence. Callbacks "
        "are kept for the next start.",
    )
    drain.add_argument("--to", default="", metavar="SIP-URI", help="send new calls there (302)")
    reload = commands.add_parser(
        "reload", help="read the configuration; what needs a restart is named in the log"
    )
    for command in (upgrade, drain, reload):
        command.add_argument(
            "-c", "--config", type=Path, default=None, help="default: the shipped configuration"
        )
