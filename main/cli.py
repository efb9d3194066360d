"""The console command ``offhook``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from config.errors import PeerError

ABOUT = (
    "A call centre that one command starts: SIP in, IVR, queue, softphones, recordings, tickets."
)
EPILOG = """\
first steps:
  offhook demo                    start everything on loopback, place five calls, verify them
  offhook check my.yaml           say what is wrong with a configuration and its flows
  offhook serve -c my.yaml        run the call centre
  offhook phones -c my.yaml       what to type into the agents' softphones
  offhook simulate my.yaml        rehearse a day on a virtual clock
  offhook staff --calls 100       how many agents for 100 calls an hour
"""


def version() -> str:
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("offhook")
    except PackageNotFoundError:
        return "0 (not installed)"


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="offhook",
        description=ABOUT,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"offhook {version()}")
    commands = top.add_subparsers(dest="command", metavar="command")

    serve = commands.add_parser("serve", help="run the call centre (until SIGTERM or Ctrl-C)")
    _config(serve)
    serve.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    serve.add_argument(
        "--no-spare",
        dest="spare",
        action="store_false",
        help="keep no spare loaded (saves 30 MB; a killed engine is back in 1.5 to 8 s)",
    )

    check = commands.add_parser(
        "check", help="check a configuration and its flows; says file, line and remedy"
    )
    check.add_argument("config", nargs="?", type=Path, help="default: the shipped configuration")

    demo = commands.add_parser("demo", help="five real calls through the whole system, verified")
    demo.add_argument("--keep", action="store_true", help="leave it running, with addresses to try")
    demo.add_argument("--json", action="store_true", help="end with one JSON object")

    _rehearsals(commands)
    _node(commands)
    _explanations(commands)

    phones = commands.add_parser("phones", help="show the agents' SIP accounts (with passwords)")
    _config(phones)

    token = commands.add_parser("token", help="make an API token; the configuration keeps its hash")
    token.add_argument("name", help="whose or what it is for, for example wallboard")
    token.add_argument(
        "--role",
        default="agent",
        choices=("agent", "supervisor", "operator", "admin"),
        help="default: agent, which also needs --agent",
    )
    token.add_argument("--agent", help="with --role agent: whose token it is")
    return top


def _rehearsals(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from main import simulate_arguments, staff_arguments

    simulate_arguments.add_parser(commands)
    staff_arguments.add_parser(commands)


def _node(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from main import node_arguments

    node_arguments.add_parsers(commands)


def _explanations(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from main import replay, why

    why.add_parser(commands)
    replay.add_parser(commands)


def _config(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-c", "--config", type=Path, default=None, help="default: the shipped configuration"
    )


def _serve(options: argparse.Namespace) -> int:
    from main.serve import serve

    return serve(options.config, options.log_level, options.spare)


def _check(options: argparse.Namespace) -> int:
    from main.checking import check

    return check(options.config)


def _demo(options: argparse.Namespace) -> int:
    from main.demo.run import demo

    return demo(keep=options.keep, as_json=options.json)


def _phones(options: argparse.Namespace) -> int:
    from main.accounts import phones

    return phones(options.config)


def _token(options: argparse.Namespace) -> int:
    from main.accounts import token

    return token(options.name, options.role, options.agent)


def _simulate(options: argparse.Namespace) -> int:
    from main.simulate import run

    return run(options)


def _staff(options: argparse.Namespace) -> int:
    from main.staff import run

    return run(options)


def _why(options: argparse.Namespace) -> int:
    from main.why import run

    return run(options)


def _replay(options: argparse.Namespace) -> int:
    from main.replay import run

    return run(options)


def _ask_the_node(options: argparse.Namespace) -> int:
    from main.node import run

    return run(options)


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "serve": _serve,
    "check": _check,
    "demo": _demo,
    "simulate": _simulate,
    "staff": _staff,
    "why": _why,
    "replay": _replay,
    "upgrade": _ask_the_node,
    "drain": _ask_the_node,
    "reload": _ask_the_node,
    "phones": _phones,
    "token": _token,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 well, 1 something is off, 2 the input is wrong."""
    options = parser().parse_args(arguments)
    if options.command is None:
        parser().print_help()
        return 2
    try:
        return COMMANDS[options.command](options)
    except PeerError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
