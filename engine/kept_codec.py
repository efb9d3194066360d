"""State as bytes: nested dataclasses with their names, so that another engine can take them.

Lenient as the journal is: a field that this version does not know is left out, a missing one
takes its default, so that versions may follow each other while calls are up. What is as the
default is left out, too: most of a call is. A default, once released, is part of the format.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any

import msgspec

from config.errors import MisuseError

NAME = "."  # the key that holds a dataclass's name; no identifier is like that

MADE_MAX = 4_096  # a few for each call in progress

_ATOMS = frozenset({str, int, float, bool, bytes, type(None)})


class Codec:
    """Knows these dataclasses, by their module and name. Sequences come back as tuples,
    mappings as dicts; anything else than dataclasses, these and plain values is MisuseError.

    ``lasting``: those of them whose instances never change and are met again and again; their
    bytes are made once.
    """

    def __init__(self, types: Iterable[type], lasting: Iterable[type] = ()) -> None:
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder().decode
        self._kinds: dict[str, tuple[type, frozenset[str]]] = {}
        self._shapes: dict[type, tuple[str, tuple[tuple[str, object], ...], Any]] = {}
        for kind in types:
            if not dataclasses.is_dataclass(kind):
                raise MisuseError(f"{kind.__name__} is no dataclass")
            name = f"{kind.__module__}.{kind.__qualname__}"
            fields = tuple(field.name for field in dataclasses.fields(kind))
            self._kinds[name] = (kind, frozenset(fields))
            defaults = tuple((field.name, field.default) for field in dataclasses.fields(kind))
            self._shapes[kind] = (name, defaults, attrgetter(*fields) if fields else None)
        self._lasting = frozenset(lasting)
        # By identity, with the object itself, so that no other can have its number meanwhile.
        self._made: dict[int, tuple[object, msgspec.Raw]] = {}

    def encode(self, state: object) -> bytes:
        return self._encode(self._plain(state))

    def decode(self, data: bytes) -> Any:
        """MisuseError or msgspec.MsgspecError for what no Codec of a like version wrote."""
        return self._whole(self._decode(data))

    def _plain(self, state: object) -> object:
        kind = type(state)
        if kind in _ATOMS:
            return state
        if kind is tuple or kind is list:
            return [self._plain(item) for item in state]  # type: ignore[attr-defined]
        if isinstance(state, Mapping):
            return {key: self._plain(item) for key, item in state.items()}
        if kind in self._lasting:
            return self._lasting_plain(state)
        return self._fields(state)

    def _lasting_plain(self, state: object) -> msgspec.Raw:
        known = self._made.get(id(state))
        if known is not None:
            return known[1]
        if len(self._made) >= MADE_MAX:
            self._made.clear()
        raw = msgspec.Raw(self._encode(self._fields(state)))
        self._made[id(state)] = (state, raw)
        return raw

    def _fields(self, state: object) -> dict[str, object]:
        kind = type(state)
        shape = self._shapes.get(kind)
        if shape is None:
            raise MisuseError(f"{kind.__name__} cannot be kept")
        name, fields, read = shape
        plain: dict[str, object] = {NAME: name}
        if len(fields) == 1:
            plain[fields[0][0]] = self._plain(read(state))
        elif fields:
            for (field, default), item in zip(fields, read(state), strict=True):
                if item is default:
                    continue
                if type(item) in _ATOMS:
                    if item != default:
                        plain[field] = item
                else:
                    plain[field] = self._plain(item)
        return plain

    def _whole(self, plain: object) -> object:
        if isinstance(plain, list):
            return tuple(self._whole(item) for item in plain)
        if not isinstance(plain, dict):
            return plain
        name = plain.pop(NAME, None)
        if name is None:
            return {key: self._whole(item) for key, item in plain.items()}
        found = self._kinds.get(name)
        if found is None:
            raise MisuseError(f"{name} is not known here")
        kind, fields = found
        return kind(**{key: self._whole(item) for key, item in plain.items() if key in fields})
