"""Which event types the journal knows, by name, and how their values become msgpack.

A body is the msgpack array ``[seq, at, call, type name, fields as map]``. Reading is lenient
so that versions may be mixed: a type that this version does not know, or whose fields no
longer fit, comes back as ``Unknown`` with the fields as they were; a field that this version
does not know is left out; a missing field takes its default.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import msgspec

import engine.kept
import queues.events
import recordings.events
import router.events
import tickets.events
from config.errors import MisuseError


@dataclasses.dataclass(frozen=True, slots=True)
class Unknown:
    """An event of another version: its type's name and its fields as they stand on disk."""

    name: str
    fields: dict[str, Any]


_Head = tuple[int, float, str, str, msgspec.Raw]


class Registry:
    """Event types by their class name. Two types of one name, or no dataclass: MisuseError."""

    def __init__(self, types: Iterable[type]) -> None:
        self._decoders: dict[str, msgspec.msgpack.Decoder[Any]] = {}
        self.types: dict[str, type] = {}
        for cls in types:
            name = cls.__name__
            if not dataclasses.is_dataclass(cls) or name == Unknown.__name__:
                raise MisuseError(f"{name} cannot be an event: a frozen dataclass is needed")
            if name in self._decoders:
                raise MisuseError(f"two event types are called {name}; the journal goes by name")
            self._decoders[name] = msgspec.msgpack.Decoder(cls)
            self.types[name] = cls
        self._encode = msgspec.msgpack.Encoder().encode
        self._head = msgspec.msgpack.Decoder(_Head)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._decoders)

    def encode(self, seq: int, at: float, call: str, event: object) -> bytes:
        """One body. An event of an unregistered type is ours to blame: MisuseError."""
        name = type(event).__name__
        if name not in self._decoders:
            if not isinstance(event, Unknown):
                raise MisuseError(f"{name} is in no package's EVENTS, the journal cannot keep it")
            return self._encode((seq, at, call, event.name, event.fields))
        return self._encode((seq, at, call, name, event))

    def decode(self, body: bytes | memoryview) -> tuple[int, float, str, object]:
        """(seq, at, call, event) of one body; ValueError where it is no body at all."""
        seq, at, call, name, raw = self._head.decode(body)
        decoder = self._decoders.get(name)
        if decoder is not None:
            try:
                return seq, at, call, decoder.decode(raw)
            except msgspec.ValidationError:
                pass  # a newer version widened a field: keep what stands there
        fields = msgspec.msgpack.decode(raw)
        return seq, at, call, Unknown(name, fields if isinstance(fields, dict) else {"": fields})


def product_registry(*further: type) -> Registry:
    """Every event type of the product, and the ``further`` ones."""
    return Registry(
        (
            *router.events.EVENTS,
            *queues.events.EVENTS,
            *recordings.events.EVENTS,
            *tickets.events.EVENTS,
            *engine.kept.EVENTS,
            *further,
        )
    )
