"""Values: dataclasses that nobody changes and that cost little to make.

A frozen dataclass sets each field through ``object.__setattr__``, four times the time of a plain
one (0.83 against 0.20 us for five fields); a call makes hundreds of them. So a value is frozen for
the type checker, which sees all of our code, and plain when it runs. Facts of the journal, which
are kept, are frozen dataclasses all the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

__all__ = ["changed", "value"]

if TYPE_CHECKING:
    from dataclasses import dataclass as value
    from dataclasses import replace as changed
else:
    _read: dict[type, Callable[[Any], tuple[Any, ...]]] = {}  # what gives a value's fields

    def value(*, frozen: bool, **options: Any) -> Callable[[type], type]:
        """``dataclass(frozen=True, ...)``: equality, hash and fields of one, nothing enforced."""
        assert frozen, "a value is frozen"
        return dataclasses.dataclass(unsafe_hash=True, **options)

    def changed(item: Any, **changes: Any) -> Any:
        """``dataclasses.replace`` of a value with two fields or more, in a seventh of its time."""
        kind = type(item)
        read = _read.get(kind)
        if read is None:
            read = _read[kind] = attrgetter(*(field.name for field in dataclasses.fields(kind)))
        other = kind(*read(item))
        for name, new in changes.items():
            setattr(other, name, new)
        return other
