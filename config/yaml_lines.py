"""YAML read with the line of every key kept, so that an error can name its place.

The dialect is YAML's with the scalars of JSON: only ``true``/``false`` are booleans, and what is
not plainly a decimal number stays text. So ``+37120000000``, ``0800``, ``10:00``, ``no`` and
``2026-12-25`` arrive as they were written (YAML 1.1 would make numbers, dates and booleans of
them).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from config.errors import ConfigError
from config.remedies import Problem, explain, name_of, one_error

FILE_BYTES_MAX = 1_048_576
NODES_MAX = 50_000  # after following aliases: a "billion laughs" file ends here
DEPTH_MAX = 64

_MERGE = "tag:yaml.org,2002:merge"

Path_ = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: plain values, and the 1-based line of every key and list item."""

    file: str
    data: Any
    lines: dict[Path_, int]

    def line(self, path: Path_) -> int:
        """Line of the key or item at ``path``, else of the nearest ancestor that exists."""
        for length in range(len(path), 0, -1):
            if (known := self.lines.get(tuple(path[:length]))) is not None:
                return known
        return self.lines.get((), 1)

    def error(self, path: Path_, problem: str) -> ConfigError:
        """The error that says what is wrong at ``path``."""
        return ConfigError(self.file, self.line(path), name_of(path), problem)

    def at(self, path: Path_) -> Any:
        """The value at ``path``, or None where nothing is."""
        value = self.data
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return None
        return value


class _Loader(yaml.SafeLoader):
    """SafeLoader with the scalars of JSON. No tag reaches Python objects."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|false|False)$", "tTfF"),
    ("null", r"^(?:~|null|Null|)$", "~nN\0"),
    ("int", r"^-?(?:0|[1-9][0-9]*)$", "-0123456789"),
    ("float", r"^-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+]?[0-9]+)?$", "-0123456789"),
    ("merge", r"^<<$", "<"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}",
        re.compile(_pattern),
        ["" if first == "\0" else first for first in _first],
    )


def load_yaml(path: Path) -> Document:
    """Read one YAML file. Raises ConfigError: unreadable, too big, bad syntax, duplicate keys."""
    file = str(path)
    try:
        with path.open("rb") as stream:
            raw = stream.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(file, 0, "", f"cannot be read ({reason}); check the path") from error
    if len(raw) > FILE_BYTES_MAX:
        raise ConfigError(file, 1, "", f"is larger than {FILE_BYTES_MAX} bytes; split it")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(file, line, "", "is not UTF-8 text; save the file as UTF-8") from error
    return parse_yaml(text, file)


def parse_yaml(text: str, file: str) -> Document:
    """Parse the text of one document. ``file`` is what errors call it."""
    loader = None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            return Document(file, None, {(): 1})
        reader = _Reader(loader, file)
        return Document(file, reader.read(root, (), 0), reader.lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = (error.problem or error.context or "cannot be read").strip()
        raise ConfigError(file, mark.line + 1 if mark else 1, "", _remedy(problem)) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, int(error.position)) + 1
        raise ConfigError(
            file, line, "", f"holds a control character ({error.reason}); remove it"
        ) from error
    except RecursionError as error:
        raise ConfigError(
            file, 1, "", f"is nested deeper than {DEPTH_MAX} levels; flatten it"
        ) from error
    finally:
        if loader is not None:
            loader.dispose()


def _remedy(problem: str) -> str:
    if "'\\t'" in problem:
        return f"{problem}; indent with spaces, not tabs"
    if "mapping values are not allowed" in problem:
        return f"{problem}; check the indentation, and quote text that holds ': '"
    if "alias" in problem or "expected alphabetic or numeric" in problem:
        return f"{problem}; quote text that begins with '*' (a wildcard number is '*')"
    if "could not determine a constructor" in problem:
        return f"{problem}; only plain values are allowed"
    return f"{problem}; check indentation, quotes and brackets up to this line"


class _Reader:
    """Turns nodes into values, counting, and noting lines as it goes."""

    def __init__(self, loader: _Loader, file: str) -> None:
        self._loader = loader
        self._file = file
        self._nodes = 0
        self._open: set[int] = set()
        self.lines: dict[Path_, int] = {}

    def read(self, node: yaml.Node, path: Path_, depth: int) -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        self._nodes += 1
        if self._nodes > NODES_MAX:
            raise self._error(node, path, f"holds more than {NODES_MAX} values; split the file")
        if depth > DEPTH_MAX:
            raise self._error(node, path, f"is nested deeper than {DEPTH_MAX} levels; flatten it")
        if id(node) in self._open:
            raise self._error(node, path, "refers to itself; write the value out")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if node.tag not in ("tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"):
            raise self._error(node, path, f"has the tag {node.tag}; only plain values are allowed")
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [
                    self.read(item, (*path, at), depth + 1) for at, item in enumerate(node.value)
                ]
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path, depth)
        finally:
            self._open.discard(id(node))
        raise self._error(node, path, "is no plain value")

    def _scalar(self, node: yaml.ScalarNode, path: Path_) -> Any:
        if node.tag.endswith(":int") and len(node.value) > 30:
            raise self._error(node, path, "is a number of more than 30 digits; quote it")
        value = self._loader.construct_object(node)
        if not (value is None or isinstance(value, str | int | float | bool)):
            raise self._error(node, path, "is no plain value; quote it to make it text")
        if isinstance(value, float) and not math.isfinite(value):
            raise self._error(node, path, "is no finite number")
        return value

    def _mapping(self, node: yaml.MappingNode, path: Path_, depth: int) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for value_node in (value for key, value in node.value if key.tag == _MERGE):
            several = isinstance(value_node, yaml.SequenceNode)
            for base_node in value_node.value if several else [value_node]:
                base = self.read(base_node, path, depth + 1)
                if not isinstance(base, dict):
                    raise self._error(base_node, path, "'<<' needs a mapping")
                found = {**base, **found}
        own: set[Any] = set()
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._error(key_node, path, "a key must be a plain word or number")
            key = self._scalar(key_node, path)
            here = (*path, key)
            if key in own:
                first = self.lines[here]
                raise self._error(
                    key_node, here, f"is given twice (first on line {first}); keep one"
                )
            own.add(key)
            self.lines[here] = key_node.start_mark.line + 1
            found[key] = self.read(value_node, here, depth + 1)
        return found

    def _error(self, node: yaml.Node, path: Path_, problem: str) -> ConfigError:
        return ConfigError(self._file, node.start_mark.line + 1, name_of(path), problem)


def validate(model: type[Model], document: Document, under: Path_ = ()) -> Model:
    """Build ``model`` from the document (or its part at ``under``).

    Raises one ConfigError that lists every problem, each with file, line, field and remedy.
    """
    data = document.at(under)
    try:
        return model.model_validate({} if data is None else data)
    except ValidationError as error:
        problems = [
            Problem(document.line(place), name_of(place), text)
            for place, text in explain(model, error, data, under, document.lines)
        ]
        raise one_error(document.file, problems) from error
