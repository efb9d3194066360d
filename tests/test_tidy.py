"""The house rules, as tests. A rule that needs an exception is a rule to talk about."""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path

import pytest

from tests.tidy import (
    PRODUCT,
    ROOT,
    calls,
    dotted,
    imports,
    lines_with,
    matching,
    none,
    product,
    suite,
    texts,
    tree,
    where,
)

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70

# Rules without I/O: values in, values out, ``now`` passed in.
CORES = (
    "ivr/actions.py",
    "ivr/flow.py",
    "config/hours.py",
    "ivr/inputs.py",
    "ivr/machine.py",
    "ivr/nodes.py",
    "ivr/position.py",
    "ivr/templates.py",
    "ivr/walk.py",
    "queues/*.py",
    "recordings/alignment.py",
    "recordings/timeline.py",
    "router/call*.py",
    "router/effects.py",
    "router/inputs.py",
    "router/outcome.py",
    "router/media/digits.py",
    "router/media/g711.py",
    "router/media/latching.py",
    "router/media/playout.py",
    "router/media/ports.py",
    "router/media/reception.py",
    "router/media/rtcp.py",
    "router/media/rtp.py",
    "router/sip/*.py",
    "tickets/fold.py",
    "tickets/policy.py",
    "tickets/webhook_lane.py",
    "tickets/webhook_signing.py",
    "tickets/webhooks.py",
)
# In a core's folder and not a core: they turn effects into datagrams and bytes, facts into rows.
SHELLS = (
    "queues/why/decisions.py",
    "queues/figures/figures_store.py",
    "queues/figures/tables.py",
    "router/sip/transport*.py",
    "router/sip/datagrams.py",
    "router/sip/streams.py",
)

# Named by the design, and only ever imported as a module of its package.
NAMED_BY_DESIGN = {"queues/figures/statistics.py"}

# What of the standard library a core may use: nothing that knows the time, the world or chance.
CORE_IMPORTS = {
    "__future__", "abc", "array", "base64", "binascii", "bisect", "collections", "contextlib",
    "copy", "dataclasses", "datetime", "enum", "fractions", "functools", "hashlib", "heapq", "hmac",
    "ipaddress", "itertools", "json", "math", "operator", "re", "string", "struct", "types",
    "typing", "unicodedata", "urllib", "zlib", "zoneinfo",
}  # fmt: skip
CORE_CALLS = {"open", "print", "input", "exec", "eval", "breakpoint"}
CLOCK_CALLS = re.compile(r"(^|\.)(now|utcnow|today|time|monotonic|urandom|urlopen)$")
CLOCKS = {"datetime", "date", "time"}

WORDS = {
    "member (say agent, caller or waiting call)": re.compile(r"\bmembers?\b", re.IGNORECASE),
    "Manager, Helper (say what it does)": re.compile(r"\bclass \w*(Manager|Helper)\b"),
    "marks of unfinished work": re.compile(r"\b(TODO|FIXME|XXX|HACK)\b"),
}
# Tell the position or the expected wait, offer the callback; never these words.
NEVER_SAID = re.compile(
    r"\b(agents|operators|lines|representatives|colleagues)(\s+\w+){0,2}"
    r"\s+(are|is)(\s+\w+){0,2}\s+(busy|occupied)\b"
    r"|\b(busy|occupied)\b\s+(agents?|operators?|representatives?)\b"
    r"|(оператор|агент|сотрудник|специалист|линии)\w*(\s+\w+){0,4}\s+занят"
    r"|занят\w*(\s+\w+){0,2}\s+(оператор|агент|сотрудник|специалист)"
    r"|(оператор|агент|працівник|фахівц|лінії)\w*(\s+\w+){0,4}\s+зайнят"
    r"|зайнят\w*(\s+\w+){0,2}\s+(оператор|агент|працівник|фахівц)"
    r"|(operator|aģent|darbiniek|speciālist|līnijas)\w*(\s+\w+){0,4}\s+aizņemt"
    r"|aizņemt\w*(\s+\w+){0,2}\s+(operator|aģent|darbiniek|speciālist)",
    re.IGNORECASE,
)


def _cores() -> list[Path]:
    shells = {path for pattern in SHELLS for path in ROOT.glob(pattern)}
    return [path for path in matching(CORES) if path not in shells]


def test_a_file_holds_one_concept() -> None:
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in product()}
    long = [f"{where(path, size)}" for path, size in sizes.items() if size > FILE_LINES_MAX]
    none(long, f"at most {FILE_LINES_MAX} lines a file")


def test_a_function_fits_a_screen() -> None:
    long = [
        f"{where(path, node)} {node.name}: {node.end_lineno - node.lineno + 1}"
        for path in product()
        if not path.is_relative_to(ROOT / "migrations")  # a migration is a list
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    ]
    none(long, f"at most {FUNCTION_LINES_MAX} lines a function")


def test_cores_import_nothing_that_knows_the_world() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in _cores()
        for name in sorted(imports(path))
        if name.split(".")[0] not in CORE_IMPORTS and name.split(".")[0] not in PRODUCT
    ]
    none(found, "a core imports only what is pure")


def test_cores_call_no_clock_and_touch_no_file() -> None:
    found = [
        f"{where(path, call)}: {name}"
        for path in _cores()
        for call, name in calls(path)
        if name in CORE_CALLS
        or (CLOCK_CALLS.search(name) and name.rpartition(".")[0].split(".")[-1] in CLOCKS)
    ]
    none(found, "time, chance and files are a shell's business")


def test_cores_are_synchronous() -> None:
    found = [
        where(path, node)
        for path in _cores()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith)
    ]
    none(found, "a core does not wait")


def test_nothing_reads_the_environment_at_import() -> None:
    found = []
    for path in product():
        if path.is_relative_to(ROOT / "migrations"):
            continue
        inside = {
            id(node)
            for outer in ast.walk(tree(path))
            if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for node in ast.walk(outer)
        }
        found += [
            where(path, node)
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Subscript | ast.Call)
            and id(node) not in inside
            and dotted(node.value if isinstance(node, ast.Subscript) else node.func).startswith(
                ("os.environ", "os.getenv")
            )
        ]
    none(found, "settings are loaded once, by main")


def test_tests_do_not_sleep() -> None:
    found = []
    for path in suite():
        if path.is_relative_to(ROOT / "tests" / "wire"):
            continue
        for call, name in calls(path):
            if name == "time.sleep" or (name == "asyncio.sleep" and not _is_zero(call)):
                found.append(where(path, call))
    none(found, "outside tests/wire time is virtual, or one waits for an event")


def _is_zero(call: ast.Call) -> bool:
    argument = call.args[0] if call.args else None
    return isinstance(argument, ast.Constant) and argument.value == 0


def test_every_task_has_an_owner() -> None:
    found = [
        where(path, node)
        for path in [*product(), *suite()]
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and _starts_a_task(dotted(node.value.func))
    ]
    none(found, "keep what create_task returns: the loop holds it only weakly")


def _starts_a_task(name: str) -> bool:
    """A TaskGroup, by whatever name, owns its tasks; asyncio and a loop do not."""
    owner, _, method = name.rpartition(".")
    if method == "ensure_future":
        return True
    return method == "create_task" and (owner.endswith(("asyncio", "loop")) or not owner)


def test_cancellation_is_not_swallowed() -> None:
    found = [
        where(path, node)
        for path in product()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler)
        and node.type is not None
        and "CancelledError" in ast.unparse(node.type)
        and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
    ]
    none(found, "who catches CancelledError raises it again")


@pytest.mark.parametrize("rule", WORDS)
def test_words(rule: str) -> None:
    here = Path(__file__).resolve()
    paths = [path for path in texts() if path not in (here, ROOT / "GLOSSARY.md")]
    none(lines_with(paths, lambda line: bool(WORDS[rule].search(line))), rule)


def test_nobody_is_told_that_we_have_no_time_for_them() -> None:
    here = Path(__file__).resolve()
    found = []
    for path in texts():
        if path == here:
            continue
        # Over line ends and quotes too: a sentence may be folded.
        text = path.read_text(encoding="utf-8")
        found += [
            f"{where(path, text.count(chr(10), 0, match.start()) + 1)}: {match.group()!r}"
            for match in NEVER_SAID.finditer(text)
        ]
    none(found, "tell the position or the expected wait instead")


def test_the_rule_hears_the_sentence_in_every_language() -> None:
    for sentence in (
        "All our agents are currently busy",
        "all lines are busy",
        "Все операторы сейчас заняты",
        "Усі оператори зараз зайняті",
        "Visi operatori šobrīd ir aizņemti",
    ):
        assert NEVER_SAID.search(sentence), sentence
    for sentence in ("the line's socket", "486 Busy Here", "the agent, talking, hears it"):
        assert not NEVER_SAID.search(sentence), sentence


def test_modules_have_names_of_their_own() -> None:
    names = [path for path in product() if path.name != "__init__.py"]
    found = [
        str(path.relative_to(ROOT))
        for path in names
        if path.stem in sys.stdlib_module_names or path.stem in ("utils", "util", "helpers")
    ]
    found = [name for name in found if name not in NAMED_BY_DESIGN]
    found += [name for name in PRODUCT if name in sys.stdlib_module_names]
    none(found, "not a name of the standard library, and not utils")


@pytest.mark.parametrize("package", ["router", "queues", "recordings", "tickets"])
def test_events_are_plain_frozen_values(package: str) -> None:
    for event in import_module(f"{package}.events").EVENTS:
        assert is_dataclass(event), event
        assert event.__dataclass_params__.frozen, event  # type: ignore[attr-defined]
        assert "__slots__" in vars(event), event
        assert event.__doc__, event
        assert {field.name for field in fields(event)} == set(event.__slots__), event
    declared = {
        node.name
        for node in tree(ROOT / package / "events.py").body
        if isinstance(node, ast.ClassDef)
    }
    kept = {event.__name__ for event in import_module(f"{package}.events").EVENTS}
    assert declared == kept, "every event is in EVENTS, or the journal refuses it"


def test_nothing_committed_names_this_machine() -> None:
    home = re.compile(r"(^|[\s\"'=(])(/work/|/root/|/home/\w+/)")
    paths = [path for path in texts() if path != Path(__file__).resolve()]
    none(lines_with(paths, lambda line: bool(home.search(line))), "no path of one machine")
