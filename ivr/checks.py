"""What a flow file can get wrong beyond its shape: names, files, variables, secrets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from config.remedies import Place, suggest
from ivr import audio_format, schema, templates
from ivr.catalogue import SHOWN, Catalogue
from ivr.flow import BUILT_IN

FILE_BYTES_MAX = 64_000_000

REFERENCES = ("next", "on_timeout", "on_invalid", "on_failure", "open", "closed", "holiday")
PROMPTS = ("prompt", "invalid", "no_input", "confirmed")


@dataclass(frozen=True, slots=True)
class Found:
    """A problem at a place of the file."""

    place: Place
    text: str


def check_flow(
    parsed: schema.FlowFile, folder: Path, queues: frozenset[str], phrases: Catalogue
) -> Iterator[Found]:
    """Everything wrong with one flow."""
    yield from _zones(parsed)
    languages = list(phrases.languages)
    if parsed.language is not None and parsed.language not in languages:
        yield Found(("language",), _unknown("language", parsed.language, languages))
    for place, name in _references(parsed):
        if name not in parsed.nodes:
            yield Found(place, _unknown("node", name, list(parsed.nodes)))
    for key, node in parsed.nodes.items():
        yield from _names(key, node, parsed, queues)
        for place, item in _prompts(key, node):
            yield from _prompt(place, item, parsed.language, folder, phrases)
    yield from _variables(parsed, languages)


def _unknown(noun: str, name: str, known: list[str]) -> str:
    return f"unknown {noun} {name!r}; {suggest(name, known)}"


def _zones(parsed: schema.FlowFile) -> Iterator[Found]:
    named: list[tuple[Place, str]] = [(("timezone",), parsed.timezone)]
    for key, schedule in parsed.schedules.items():
        if schedule.timezone is not None:
            named.append((("schedules", key, "timezone"), schedule.timezone))
    for place, zone in named:
        try:
            ZoneInfo(zone)
        except (LookupError, ValueError, OSError):
            yield Found(place, f"unknown time zone {zone!r}; write one like Europe/Riga")


# --- nodes and the ways between them ----------------------------------------------------------


def _references(parsed: schema.FlowFile) -> Iterator[tuple[Place, str]]:
    """(place, node named there) of every way in the flow."""
    yield ("start",), parsed.start
    for key, node in parsed.nodes.items():
        for way, name in _ways(node):
            yield ("nodes", key, *way), name


def _ways(node: schema.Node) -> Iterator[tuple[Place, str]]:
    for field in REFERENCES:
        name = getattr(node, field, None)
        if name is not None:
            yield (field,), name
    match node:
        case schema.Menu():
            for key, name in node.choices.items():
                yield ("choices", int(key) if _plain(key) else key), name
        case schema.Branch():
            for at, case in enumerate(node.cases):
                yield ("cases", at, "next"), case.next
            yield ("otherwise",), node.otherwise
        case schema.Queue() | schema.Dial():
            for reason, name in node.on.items():
                yield ("on", str(reason)), name


def _plain(key: str) -> bool:
    """Whether YAML reads the unquoted key as a number."""
    return key.isdigit() and (key == "0" or key[0] != "0")


# --- names of other things ----------------------------------------------------------------------


def _names(
    key: str, node: schema.Node, parsed: schema.FlowFile, queues: frozenset[str]
) -> Iterator[Found]:
    if isinstance(node, schema.Queue | schema.Callback) and node.queue not in queues:
        yield Found(("nodes", key, "queue"), _unknown("queue", node.queue, list(queues)))
    if isinstance(node, schema.Hours) and node.schedule not in parsed.schedules:
        problem = _unknown("schedule", node.schedule, list(parsed.schedules))
        yield Found(("nodes", key, "schedule"), problem)
    if isinstance(node, schema.Branch):
        for at, case in enumerate(node.cases):
            if case.on is None and node.on is None:
                yield Found(
                    ("nodes", key, "cases", at),
                    "tests no variable; add on: to the node or to the case",
                )


def _prompts(key: str, node: schema.Node) -> Iterator[tuple[Place, schema.PromptItem]]:
    for field in PROMPTS:
        for at, item in enumerate(getattr(node, field, None) or ()):
            yield ("nodes", key, field, at), item


def _prompt(
    place: Place, item: schema.PromptItem, language: str | None, folder: Path, phrases: Catalogue
) -> Iterator[Found]:
    if item.language is not None and item.language not in phrases.languages:
        yield Found(place, _unknown("language", item.language, list(phrases.languages)))
    elif item.phrase is not None and not templates.names(item.phrase):
        said_in = item.language or language
        for spoken in [said_in] if said_in in phrases.languages else list(phrases.languages):
            if not phrases.files(item.phrase, str(spoken)):
                known = phrases.names(str(spoken))
                yield Found(place, f"{_unknown('phrase', item.phrase, known)}, {SHOWN}")
                break
    elif item.audio is not None:
        problem = _audio_problem(folder / item.audio)
        if problem:
            yield Found(place, f"{item.audio}: {problem}")


def _audio_problem(file: Path) -> str:
    """Why the file cannot be played, "" where it can."""
    if not file.is_file():
        return "there is no such file; put it beside the flow, or give its path"
    if file.stat().st_size > FILE_BYTES_MAX:
        return f"is larger than {FILE_BYTES_MAX} bytes; shorten it"
    if file.suffix == ".ulaw":
        return ""
    try:
        with file.open("rb") as stream:
            audio_format.check_wav(stream.read(65_536))
    except (audio_format.AudioError, OSError) as error:
        return str(error)
    return ""


# --- variables ----------------------------------------------------------------------------------


def _variables(parsed: schema.FlowFile, languages: list[str]) -> Iterator[Found]:
    """Every variable used is set somewhere; built-in ones are not overwritten; secrets stay in."""
    known = set(parsed.variables) | BUILT_IN
    secret = set()
    for key, node in parsed.nodes.items():
        for place, name in _assigned(node):
            if name in BUILT_IN and not (name == "language" and isinstance(node, schema.Set)):
                yield Found(("nodes", key, *place), f"{name!r} is built in; use another name")
            known.add(name)
            if isinstance(node, schema.Collect) and node.hidden:
                secret.add(name)
        if isinstance(node, schema.Set):
            language = node.values.get("language", languages[0])
            if not templates.names(language) and language not in languages:
                place = ("nodes", key, "values", "language")
                yield Found(place, _unknown("language", language, languages))
    for name in set(parsed.variables) & BUILT_IN:
        yield Found(("variables", name), f"{name!r} is built in; use another name")
    for key, node in parsed.nodes.items():
        for place, name, private in _used(node):
            if name not in known:
                yield Found(("nodes", key, *place), _unknown("variable", name, sorted(known)))
            elif name in secret and not private:
                yield Found(
                    ("nodes", key, *place),
                    f"{name!r} is hidden input; use it in a branch, or a lookup's body or headers",
                )


def _assigned(node: schema.Node) -> Iterator[tuple[Place, str]]:
    match node:
        case schema.Collect():
            yield ("save",), node.save
        case schema.Set():
            for name in node.values:
                yield ("values", name), name
        case schema.Lookup():
            for name in node.fields:
                yield ("fields", name), name


def _used(node: schema.Node) -> Iterator[tuple[Place, str, bool]]:
    """(place, variable, whether hidden input may be used there)."""
    for field in PROMPTS:
        for at, item in enumerate(getattr(node, field, None) or ()):
            for name in templates.names(getattr(item, item.kind)):
                yield (field, at), name, False
    match node:
        case schema.Set():
            for key, text in node.values.items():
                yield from ((("values", key), name, False) for name in templates.names(text))
        case schema.Branch():
            for at, case in enumerate(node.cases):
                if (tested := case.on or node.on) is not None:
                    yield ("cases", at, "on") if case.on else ("on",), tested, True
        case schema.Lookup():
            yield from _used_in_lookup(node)
        case schema.Queue():
            for at, name in enumerate(node.variables):
                yield ("variables", at), name, False
        case schema.Dial():
            yield from ((("target",), name, False) for name in templates.names(node.target))


def _used_in_lookup(node: schema.Lookup) -> Iterator[tuple[Place, str, bool]]:
    yield from ((("url",), name, False) for name in templates.names(node.url))
    for header, text in node.headers.items():
        yield from ((("headers", header), name, True) for name in templates.names(text))
    yield from ((("body",), name, True) for name in templates.names_in_json(node.body))
