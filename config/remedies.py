"""Words for what pydantic found wrong: the place, the problem and what would be right."""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from config.errors import ConfigError

PROBLEMS_MAX = 20
Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong, at a line of the file."""

    line: int
    field: str
    text: str


def name_of(place: Place) -> str:
    """``("queues", 0, "name")`` -> ``queues[0].name``."""
    words = ""
    for step in place:
        if isinstance(step, int) and not isinstance(step, bool):
            words += f"[{step}]"
        else:
            words += f".{step}" if words else str(step)
    return words


def one_error(file: str, problems: Iterable[Problem]) -> ConfigError:
    """All problems as one error, in the order of their lines; at most PROBLEMS_MAX are told."""
    first, *rest = sorted(set(problems))
    text = first.text
    for problem in rest[: PROBLEMS_MAX - 1]:
        text += f"\n{ConfigError(file, problem.line, problem.field, problem.text)}"
    if len(rest) >= PROBLEMS_MAX:
        text += f"\n... and {len(rest) - PROBLEMS_MAX + 1} more"
    return ConfigError(file, first.line, first.field, text)


def suggest(word: object, known: Iterable[str], *, noun: str = "known") -> str:
    """``did you mean 'name'? known: a, b`` (or only the list where nothing is near)."""
    names = sorted(known)
    near = difflib.get_close_matches(str(word), names, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}{noun}: {', '.join(names) or 'none'}"


def explain(
    model: type[BaseModel],
    error: ValidationError,
    data: Any,
    under: Place,
    lines: Mapping[Place, int],
) -> Iterator[tuple[Place, str]]:
    """(place, words) of each problem; the place is one that the file has wherever possible."""
    for detail in error.errors():
        place = (*under, *_real(detail["loc"], data, detail["type"]))
        kind = detail["type"]
        if kind == "extra_forbidden":
            yield place, f"unknown key; {suggest(place[-1], _keys_at(model, detail['loc'][:-1]))}"
        elif kind == "value_error":
            words = detail["msg"].removeprefix("Value error, ")
            yield _blamed(words, place, lines, data, under), words
        else:
            yield place, _words(detail)


def _words(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    value = detail["input"]
    match detail["type"]:
        case "union_tag_invalid":
            tag, known = str(context["tag"]), re.findall(r"'([^']*)'", context["expected_tags"])
            return f"unknown {_bare(context)} {tag!r}; {suggest(tag, known)}"
        case "union_tag_not_found":
            return f"{_bare(context)} is missing; add {_bare(context)}: ..."
        case "missing":
            return "is missing; add it"
        case "literal_error" | "enum":
            allowed = str(context["expected"])
            near = difflib.get_close_matches(str(value), re.findall(r"'([^']*)'", allowed), n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            return f"{_shown(value)} is not allowed; {hint}allowed: {allowed}"
        case "string_pattern_mismatch":
            return f"{_shown(value)} does not fit; it must match {context['pattern']}"
        case "model_type" | "dict_type" | "model_attributes_type":
            return f"{_shown(value)} is no mapping; write 'key: value' lines under it"
        case "tuple_type" | "list_type" | "iterable_type":
            return f"{_shown(value)} is no list; write '- ' items under it"
        case "too_short" if not value:
            return "is empty; write at least one entry"
        case "string_type":
            return f"{_shown(value)} is no text; put it in quotes"
    problem = detail["msg"].replace("Input should be", "should be").partition(", unable")[0]
    return f"{_shown(value)} does not fit; it {problem}" if "should be" in problem else problem


def _bare(context: Mapping[str, Any]) -> str:
    """The name of the key that tells a union's branches apart."""
    return str(context["discriminator"]).strip("'")


def _shown(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _real(loc: Place, data: Any, kind: str) -> Place:
    """The part of pydantic's location that the data has, and the key that is missing.

    Tags of unions and ``[key]`` are steps of pydantic's, not of the file's.
    """
    place: list[str | int] = []
    value = {} if data is None else data
    for at, step in enumerate(loc):
        if isinstance(value, Mapping):
            if step not in value and not (kind == "missing" and at == len(loc) - 1):
                continue
            found = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            found = value[step]
        else:
            break
        place.append(step)
        value = found
    return tuple(place)


def _blamed(words: str, place: Place, lines: Mapping[Place, int], data: Any, under: Place) -> Place:
    """A whole-section rule quotes the value it dislikes: point to where that value stands."""
    quoted = re.search(r"'([^']+)'", words)
    if quoted is None:
        return place
    token = quoted.group(1)
    inner = (path for path in lines if path[: len(place)] == place and len(path) > len(place))
    found = [
        path
        for path in inner
        if path[-1] == token
        or str(_value(data, path[len(under) :])).removeprefix("queue:") == token
    ]
    found.sort(key=lambda path: lines[path])
    if not found:
        return place
    return found[-1] if "twice" in words else found[0]


def _value(data: Any, path: Place) -> Any:
    for step in path:
        if not isinstance(data, Mapping | list):
            return None
        data = data[step]  # type: ignore[index]
    return data


def _keys_at(model: type[BaseModel], loc: Place) -> list[str]:
    """The keys that the model at ``loc`` knows."""
    branches = models = [model]
    for step in loc:
        if not isinstance(step, str):
            continue
        if chosen := [one for one in branches if step in _tags(one)]:
            models = chosen
            continue
        fields = [one.model_fields[step] for one in models if step in one.model_fields]
        if fields:
            branches = models = [
                found for field in fields for found in _models_in(field.annotation)
            ]
    known = (pair for one in models for pair in one.model_fields.items())
    return sorted({field.alias or key for key, field in known})


def _tags(model: type[BaseModel]) -> tuple[str, ...]:
    """The values of ``type`` that choose this model in a union."""
    tag = model.model_fields.get("type")
    return typing.get_args(tag.annotation) if tag else ()


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _models_in(part)
