"""Every way to get a flow file wrong: the line, the field and the remedy are named."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest

from config.errors import ConfigError
from ivr.flow import BranchNode, CallbackNode, CollectNode, HoursNode, MenuNode, QueueNode
from ivr.loader import SHIPPED_DIR, load_flow, load_flows

QUEUES = frozenset({"support", "sales"})
END = "  bye: {type: hangup}\n"
SAY = "start: s\nnodes:\n  s:\n    type: say\n"

BAD = {
    "unknown node": (
        "start: hi\nnodes:\n  hi:\n    type: say\n    prompt: {phrase: welcome}\n    next: by\n"
        + END,
        6,
        "nodes.hi.next: unknown node 'by'; did you mean 'bye'? known: bye, hi",
    ),
    "unknown start": ("start: x\nnodes:\n" + END, 1, "start: unknown node 'x'; known: bye"),
    "unknown choice": (
        "start: m\nnodes:\n  m:\n    type: menu\n    prompt: {phrase: main-menu}\n"
        "    choices:\n      1: bye\n      2: suport\n  support: {type: queue, queue: support}\n"
        + END,
        8,
        "nodes.m.choices[2]: unknown node 'suport'; did you mean 'support'?",
    ),
    "unknown branch": (
        "start: b\nnodes:\n  b:\n    type: branch\n    on: caller\n    cases:\n"
        "      - prefix: '+371'\n        next: nowhere\n    otherwise: bye\n" + END,
        8,
        "nodes.b.cases[0].next: unknown node 'nowhere'",
    ),
    "unknown type": (
        "start: b\nnodes:\n  b:\n    type: mneu\n" + END,
        3,
        "nodes.b: unknown type 'mneu'; did you mean 'menu'? known: branch, callback, collect",
    ),
    "no type": ("start: b\nnodes:\n  b: {prompt: x}\n" + END, 3, "nodes.b: type is missing; add"),
    "unknown key": (
        SAY + "    prompt: {phrase: welcome}\n    nxet: bye\n    next: bye\n" + END,
        6,
        "nodes.s.nxet: unknown key; did you mean 'next'? known: barge_in, next, prompt, type",
    ),
    "key of another type": (
        "start: menu\nnodes:\n  menu:\n    type: say\n    prompt: {phrase: welcome}\n"
        "    choices: {1: bye}\n    next: bye\n" + END,
        6,
        "nodes.menu.choices: unknown key; known: barge_in, next, prompt, type",
    ),
    "missing prompt": (
        SAY + "    next: bye\n" + END,
        3,
        "nodes.s.prompt: is missing; add it",
    ),
    "empty prompt": (
        SAY + "    prompt: ''\n    next: bye\n" + END,
        5,
        "nodes.s.prompt: the prompt is empty; say something, or leave the key out",
    ),
    "two in one prompt": (
        SAY + "    prompt:\n      - {phrase: welcome}\n"
        "      - {text: a, audio: b}\n    next: bye\n" + END,
        7,
        "nodes.s.prompt[1]: name exactly one of text, audio, phrase, number, digits",
    ),
    "unknown phrase": (
        SAY + "    prompt:\n      - {phrase: welcom}\n    next: bye\n" + END,
        6,
        "nodes.s.prompt[0]: unknown phrase 'welcom'; did you mean 'welcome'?",
    ),
    "no audio file": (
        SAY + "    prompt: {audio: none.wav}\n    next: bye\n" + END,
        5,
        "none.wav: there is no such file; put it beside the flow",
    ),
    "no audio at all": (
        SAY + "    prompt: {audio: bad.wav}\n    next: bye\n" + END,
        5,
        "bad.wav: is no WAV file; give .wav",
    ),
    "unreachable": (
        "start: bye\nnodes:\n" + END + "  lost: {type: hangup}\n",
        4,
        "nodes.lost: no way leads here; name it in a next or a choice, or remove it",
    ),
    "endless": (
        "start: a\nnodes:\n  a: {type: say, prompt: {phrase: welcome}, next: b}\n"
        "  b: {type: set, values: {x: 1}, next: a}\n",
        3,
        "nodes.a: goes round for ever when no key is pressed: a -> b -> a; let one of them end",
    ),
    "endless by silence": (
        "start: m\nnodes:\n  m:\n    type: menu\n    prompt: {phrase: main-menu}\n"
        "    choices: {1: bye}\n    on_timeout: s\n"
        "  s: {type: say, prompt: {phrase: no-input}, next: m}\n" + END,
        3,
        "m -> s -> m",
    ),
    "unknown queue": (
        "start: q\nnodes:\n  q:\n    type: queue\n    queue: suport\n",
        5,
        "nodes.q.queue: unknown queue 'suport'; did you mean 'support'? known: sales, support",
    ),
    "unknown callback queue": (
        "start: q\nnodes:\n  q:\n    type: callback\n    queue: x\n",
        5,
        "nodes.q.queue: unknown queue 'x'",
    ),
    "unknown language": (
        "language: de\nstart: bye\nnodes:\n" + END,
        1,
        "language: unknown language 'de'; known: en, lv, ru, uk",
    ),
    "unknown prompt language": (
        SAY + "    prompt:\n      - {text: a, language: xx}\n    next: bye\n" + END,
        6,
        "nodes.s.prompt[0]: unknown language 'xx'",
    ),
    "unknown set language": (
        "start: s\nnodes:\n  s:\n    type: set\n    values:\n      language: xx\n    next: bye\n"
        + END,
        6,
        "nodes.s.values.language: unknown language 'xx'",
    ),
    "unknown time zone": (
        "timezone: Mars/Base\nstart: bye\nnodes:\n" + END,
        1,
        "timezone: unknown time zone 'Mars/Base'; write one like Europe/Riga",
    ),
    "unknown schedule": (
        "start: h\nnodes:\n  h:\n    type: hours\n    schedule: office\n    open: bye\n"
        "    closed: bye\n" + END,
        5,
        "nodes.h.schedule: unknown schedule 'office'; known: none",
    ),
    "bad hours": (
        "schedules:\n  office:\n    week:\n      mon-fri: 9-18\nstart: bye\nnodes:\n" + END,
        4,
        "schedules.office.week.mon-fri: '9-18' is no span of hours; write '09:00-18:00'",
    ),
    "bad holiday": (
        "schedules:\n  office:\n    week: {mon: closed}\n    holidays:\n      - 2026-13-01\n"
        "start: bye\nnodes:\n" + END,
        5,
        "'2026-13-01' is no date",
    ),
    "unknown variable": (
        SAY + "    prompt: [{number: '{acount}'}]\n    next: c\n"
        "  c: {type: collect, prompt: {phrase: enter-number}, save: account, next: bye}\n" + END,
        5,
        "nodes.s.prompt[0]: unknown variable 'acount'; did you mean 'account'?",
    ),
    "built-in variable": (
        "start: c\nnodes:\n  c:\n    type: collect\n    prompt: {phrase: enter-number}\n"
        "    save: caller\n    next: bye\n" + END,
        6,
        "nodes.c.save: 'caller' is built in; use another name",
    ),
    "secret said": (
        "start: c\nnodes:\n  c: {type: collect, prompt: {phrase: enter-number}, save: pin,\n"
        "      hidden: true, next: s}\n"
        "  s:\n    type: say\n    prompt:\n      - {digits: '{pin}'}\n    next: bye\n" + END,
        8,
        "'pin' is hidden input; use it in a branch, or a lookup's body or headers",
    ),
    "secret in an address": (
        "start: c\nnodes:\n  c: {type: collect, prompt: {phrase: enter-number}, save: pin,\n"
        "      hidden: true, next: l}\n"
        "  l:\n    type: lookup\n    url: https://h/{pin}\n    next: bye\n    on_failure: bye\n"
        + END,
        7,
        "nodes.l.url: 'pin' is hidden input",
    ),
    "secret read back": (
        "start: c\nnodes:\n  c:\n    type: collect\n    prompt: {phrase: enter-number}\n"
        "    save: pin\n    hidden: true\n    confirm: true\n    next: bye\n" + END,
        3,
        "nodes.c: hidden digits are not read back; remove confirm:",
    ),
    "lengths": (
        "start: c\nnodes:\n  c:\n    type: collect\n    prompt: {phrase: enter-number}\n"
        "    save: x\n    min: 5\n    max: 2\n    next: bye\n" + END,
        3,
        "nodes.c: min: is larger than max:; swap them",
    ),
    "no lookup fallback": (
        "start: l\nnodes:\n  l:\n    type: lookup\n    url: https://h/\n    next: bye\n" + END,
        3,
        "nodes.l.on_failure: is missing; add it",
    ),
    "lookup of a file": (
        "start: l\nnodes:\n  l:\n    type: lookup\n    url: file:///etc/passwd\n    next: bye\n"
        "    on_failure: bye\n" + END,
        5,
        "nodes.l.url: write http://host/... or https://host/... with a fixed host",
    ),
    "lookup of a caller's host": (
        "start: l\nnodes:\n  l:\n    type: lookup\n    url: http://{caller}/\n    next: bye\n"
        "    on_failure: bye\n" + END,
        5,
        "nodes.l.url:",
    ),
    "wild pattern": (
        "start: b\nnodes:\n  b:\n    type: branch\n    on: caller\n    cases:\n"
        "      - matches: (a+)+\n        next: bye\n    otherwise: bye\n" + END,
        7,
        "nodes.b.cases[0].matches: a group must not repeat",
    ),
    "no test": (
        "start: b\nnodes:\n  b:\n    type: branch\n    on: caller\n    cases:\n"
        "      - next: bye\n    otherwise: bye\n" + END,
        7,
        "nodes.b.cases[0]: name exactly one of prefix, equals, in, matches, at_least",
    ),
    "branch on nothing": (
        "start: b\nnodes:\n  b:\n    type: branch\n    cases:\n      - {equals: 1, next: bye}\n"
        "    otherwise: bye\n" + END,
        6,
        "nodes.b.cases[0]: tests no variable; add on: to the node or to the case",
    ),
    "bad choice key": (
        "start: m\nnodes:\n  m:\n    type: menu\n    prompt: {phrase: main-menu}\n"
        "    choices:\n      x: bye\n" + END,
        7,
        "nodes.m.choices.x: 'x' does not fit",
    ),
    "bad node name": (
        "start: bye\nnodes:\n  Bad Name: {type: hangup}\n" + END,
        3,
        "nodes.Bad Name: 'Bad Name' does not fit",
    ),
    "too patient": (
        "start: m\nnodes:\n  m:\n    type: menu\n    prompt: {phrase: main-menu}\n"
        "    choices: {1: bye}\n    retries: 99\n" + END,
        7,
        "nodes.m.retries: 99 does not fit; it should be less than or equal to 10",
    ),
    "syntax": ("start: bye\nnodes:\n  bye: {type: hangup\n", 4, "check indentation, quotes"),
    "empty": ("", 1, "start: is missing; add it"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_flow(tmp_path: Path, name: str) -> None:
    text, line, words = BAD[name]
    (tmp_path / "bad.wav").write_bytes(b"not audio at all")
    file = tmp_path / "f.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_flow(file, queues=QUEUES)
    told = str(caught.value).splitlines()
    mine = [row for row in told if words in row]
    assert mine, told
    assert mine[0].startswith(f"{file}:{line}: "), told


GOOD = """\
language: lv
timezone: Europe/Riga
variables: {vip: no}
schedules:
  office: {week: {mon-fri: "09:00-18:00"}, holidays: [12-25]}
start: hours
nodes:
  hours: {type: hours, schedule: office, open: who, closed: closed}
  closed: {type: hangup, prompt: {phrase: closed}, completed: false, reason: closed}
  who:
    type: lookup
    url: https://crm.example/callers?number={caller}
    headers: {authorization: Bearer x}
    fields: {vip: customer.vip}
    prompt: {phrase: please-wait}
    next: known
    on_failure: menu
  known:
    type: branch
    on: vip
    cases:
      - {equals: "true", next: priority}
      - {on: caller, prefix: [+371, +372], next: menu}
      - {on: earlier_calls, at_least: 3, next: priority}
    otherwise: menu
  menu:
    type: menu
    prompt: [{phrase: main-menu}, {audio: hint.wav}]
    choices: {1: plain, "*": account, "#": ask}
    on_timeout: plain
  account:
    type: collect
    prompt: {phrase: enter-number}
    save: account
    digits: 6
    confirm: true
    next: plain
  priority: {type: queue, queue: support, priority: 5, rank: 2, skills: {lv: 2}}
  plain: {type: queue, queue: sales, variables: [account, vip], on: {overflow: ask}}
  ask: {type: callback, queue: sales, number: ask}
"""


def write_good(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "good.yaml").write_text(GOOD)
    with wave.open(str(folder / "hint.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(b"\0\1" * 16_000)


def test_a_flow_with_everything(tmp_path: Path) -> None:
    write_good(tmp_path)
    flow = load_flow(tmp_path / "good.yaml", queues=QUEUES)
    assert (flow.name, flow.start, flow.language) == ("good", "hours", "lv")
    assert flow.lines["who"] == 10
    menu = flow.nodes["menu"]
    assert isinstance(menu, MenuNode)
    assert menu.choices == {"1": "plain", "*": "account", "#": "ask"}
    assert menu.prompt[1].value == str(tmp_path / "hint.wav")
    known = flow.nodes["known"]
    assert isinstance(known, BranchNode)
    assert [(case.variable, case.test, case.operands) for case in known.cases] == [
        ("vip", "equals", ("true",)),
        ("caller", "prefix", ("+371", "+372")),
        ("earlier_calls", "at_least", ("3.0",)),
    ]
    account = flow.nodes["account"]
    assert isinstance(account, CollectNode)
    assert (account.keys.least, account.keys.most, account.keys.confirm) == (6, 6, True)
    hours = flow.nodes["hours"]
    assert isinstance(hours, HoursNode)
    assert (hours.holiday, hours.schedule.zone.key) == ("closed", "Europe/Riga")
    priority = flow.nodes["priority"]
    assert isinstance(priority, QueueNode)
    assert (priority.priority, priority.rank, priority.skills) == (5, 2, {"lv": 2})
    assert isinstance(flow.nodes["ask"], CallbackNode)


def test_a_reload_is_another_set_and_the_old_one_stays(tmp_path: Path) -> None:
    write_good(tmp_path)
    old = load_flows(tmp_path, queues=QUEUES)
    assert load_flows(tmp_path, queues=QUEUES).version == old.version
    kept = old.flows["good"]
    (tmp_path / "hint.wav").write_bytes((tmp_path / "hint.wav").read_bytes() + b"\0\0")
    louder = load_flows(tmp_path, queues=QUEUES)
    assert louder.version != old.version
    (tmp_path / "good.yaml").write_text(GOOD.replace("digits: 6", "digits: 7"))
    new = load_flows(tmp_path, queues=QUEUES)
    assert new.version != louder.version
    assert old.flows["good"] is kept
    assert new.get("good") != kept
    assert new.get("absent") is None


def test_all_files_are_told_at_once(tmp_path: Path) -> None:
    write_good(tmp_path)
    (tmp_path / "a.yaml").write_text("start: x\nnodes:\n" + END)
    (tmp_path / "b.yaml").write_text("start: y\nnodes:\n" + END + "  y: {type: queue, queue: z}\n")
    with pytest.raises(ConfigError) as caught:
        load_flows(tmp_path, queues=QUEUES)
    told = str(caught.value).splitlines()
    assert told[0].startswith(f"{tmp_path / 'a.yaml'}:1: start: unknown node 'x'")
    assert told[1].startswith(f"{tmp_path / 'b.yaml'}:4: nodes.y.queue: unknown queue 'z'")


def test_no_flows(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="check flows_dir"):
        load_flows(tmp_path / "absent", queues=QUEUES)


def test_the_shipped_flow_needs_its_queue() -> None:
    assert "main" in load_flows(SHIPPED_DIR, queues=QUEUES).flows
    with pytest.raises(ConfigError, match="unknown queue 'support'"):
        load_flows(SHIPPED_DIR, queues=frozenset())
