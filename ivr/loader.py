"""Flow files to flows: everything that can be wrong is said at load, with file and line."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from config.errors import ConfigError
from config.remedies import Problem, name_of, one_error
from config.yaml_lines import Document, load_yaml, validate
from ivr import schema
from ivr.build import build_flow
from ivr.catalogue import HERE, catalogue
from ivr.checks import Found, check_flow
from ivr.flow import Flow, prompts_of
from ivr.graph import endless, unreachable

SHIPPED_DIR = HERE / "flows"
FLOWS_MAX = 500


@dataclass(frozen=True, slots=True)
class FlowSet:
    """All flows as they were at one load. A reload makes another one; calls keep theirs.

    ``version`` changes with any change to a flow file or an audio file that a flow plays.
    """

    flows: Mapping[str, Flow]
    version: str

    def get(self, name: str) -> Flow | None:
        return self.flows.get(name)


def load_flows(folder: Path, *, queues: frozenset[str]) -> FlowSet:
    """Load every ``*.yaml`` of a folder. ``queues``: the names that flows may use.

    Raises one ConfigError that lists what is wrong in all files.
    """
    files = sorted(folder.glob("*.yaml")) if folder.is_dir() else []
    if not files:
        raise ConfigError(str(folder), 1, "", "holds no flows (*.yaml); check flows_dir")
    if len(files) > FLOWS_MAX:
        raise ConfigError(str(folder), 1, "", f"holds more than {FLOWS_MAX} flows; remove some")
    flows: dict[str, Flow] = {}
    wrong: list[ConfigError] = []
    digest = hashlib.sha256()
    for file in files:
        try:
            flows[file.stem] = load_flow(file, queues=queues)
        except ConfigError as error:
            wrong.append(error)
            continue
        digest.update(file.stem.encode() + b"\0" + file.read_bytes() + b"\0")
        for audio in _audio_files(flows[file.stem]):
            digest.update(
                audio.encode() + b"\0" + hashlib.sha256(Path(audio).read_bytes()).digest()
            )
    if wrong:
        first, *others = wrong
        told = "\n".join([first.problem, *map(str, others)])
        raise ConfigError(first.file, first.line, first.field, told)
    return FlowSet(flows, digest.hexdigest()[:16])


def load_flow(file: Path, *, queues: frozenset[str]) -> Flow:
    """Load and check one flow. Raises ConfigError."""
    document = load_yaml(file)
    parsed = validate(schema.FlowFile, document)
    if problems := list(check_flow(parsed, file.parent, queues, catalogue())):
        raise _error(document, problems)
    flow = build_flow(file.stem, parsed, file.parent, frozenset(catalogue().languages))
    if problems := list(_check_ways(flow)):
        raise _error(document, problems)
    lines = {name: document.line(("nodes", name)) for name in flow.nodes}
    return replace(flow, file=str(file), lines=lines)


def _check_ways(flow: Flow) -> Iterator[Found]:
    for name in unreachable(flow):
        yield Found(
            ("nodes", name), "no way leads here; name it in a next or a choice, or remove it"
        )
    for circle in endless(flow):
        yield Found(
            ("nodes", circle[0]),
            f"goes round for ever when no key is pressed: {' -> '.join(circle)}; "
            "let one of them end in a queue, voicemail or hangup",
        )


def _error(document: Document, problems: Iterable[Found]) -> ConfigError:
    told = [
        Problem(document.line(found.place), name_of(found.place), found.text) for found in problems
    ]
    return one_error(document.file, told)


def _audio_files(flow: Flow) -> list[str]:
    found: set[str] = set()
    for node in flow.nodes.values():
        found.update(line.value for line in prompts_of(node) if line.kind == "audio")
    return sorted(found)
