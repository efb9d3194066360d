"""Values: dataclasses that nobody changes and that cost little to make.

A frozen dataclass sets each field through ``object.__setattr__``, four times the time of a plain
one (0.83 against 0.20 us for five fields); a call makes hundreds of them. So a value is frozen for
the type checker, which sees all of our code, and plain when it runs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

__all__ = ["value"]

if TYPE_CHECKING:
    from dataclasses import dataclass as value
else:

    def value(*, frozen: bool, **options: Any) -> Callable[[type], type]:
        """``dataclass(frozen=True, ...)``: equality, hash and fields of one, nothing enforced."""
        assert frozen, "a value is frozen"
        return dataclasses.dataclass(unsafe_hash=True, **options)
