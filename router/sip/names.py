"""Names of a leg that need no memory: who knows its id and the node's secret makes them again."""

from __future__ import annotations

from hashlib import blake2b


class Names:
    """A keyed hash of (leg, purpose), 24 hexadecimal digits: nobody else can guess it, and an
    engine that does the same thing again after a crash says the same bytes."""

    __slots__ = ("_keyed",)

    def __init__(self, secret: bytes) -> None:
        key = blake2b(secret, person=b"offhook names").digest()
        self._keyed = blake2b(key=key, digest_size=12)

    def __call__(self, leg: str, purpose: str) -> str:
        named = self._keyed.copy()
        named.update(f"{purpose}\0{leg}".encode())
        return named.hexdigest()
