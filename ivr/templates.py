"""``{variable}`` in the texts of a flow."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import quote

TEXT_MAX = 2000

_NAME = re.compile(r"\{([a-z][a-z0-9_]{0,63})\}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def names(template: str) -> tuple[str, ...]:
    """Variables that the template uses, in order."""
    return tuple(_NAME.findall(template))


def expand(
    template: str, variables: Mapping[str, str], code: Callable[[str], str] = lambda value: value
) -> str:
    """The template with each variable's value, coded by ``code``; an unset one is empty.

    Values are never expanded again. The result is cut at TEXT_MAX characters.
    """
    return _NAME.sub(lambda found: code(variables.get(found.group(1), "")), template)[:TEXT_MAX]


def expand_url(template: str, variables: Mapping[str, str]) -> str:
    """Values are percent-encoded, so that they stay inside their place of the address."""
    return expand(template, variables, lambda value: quote(value, safe=""))


def expand_header(template: str, variables: Mapping[str, str]) -> str:
    """Control characters go, so that a value cannot begin a header of its own."""
    return _CONTROL.sub(" ", expand(template, variables))


def expand_json(value: object, variables: Mapping[str, str]) -> object:
    """Every text in a JSON value expanded."""
    if isinstance(value, str):
        return expand(value, variables)
    if isinstance(value, Mapping):
        return {key: expand_json(item, variables) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [expand_json(item, variables) for item in value]
    return value


def names_in_json(value: object) -> tuple[str, ...]:
    """Variables that the texts in a JSON value use."""
    if isinstance(value, str):
        return names(value)
    if isinstance(value, Mapping):
        return tuple(name for item in value.values() for name in names_in_json(item))
    if isinstance(value, list | tuple):
        return tuple(name for item in value for name in names_in_json(item))
    return ()
