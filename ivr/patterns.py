"""Regular expressions that a flow may use: a part of the language that cannot run away.

Python's engine backtracks; nested repeats take exponential time. Here only a single
character, class or escape may repeat without limit, at most three times in a pattern, and a
value is cut at VALUE_MAX characters: the worst case is cubic in 64.
"""

from __future__ import annotations

import re

PATTERN_MAX = 200
VALUE_MAX = 64
REPEATS_MAX = 3

_TOKEN = re.compile(
    r"""(?P<escape>\\.)
      | (?P<class>\[\^?\]?(?:\\.|[^\]\\])*\])
      | (?P<special>\(\?)
      | (?P<close>\))
      | (?P<repeat>[*+]|\{\d*,?\d*\})
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)

_SET_OPERATION = re.compile(r"(?<!\\)\[|--|&&|\|\||~~")


def check(pattern: str) -> None:
    """Raise ValueError, with the remedy, where the pattern is broken or could run away."""
    if len(pattern) > PATTERN_MAX:
        raise ValueError(f"the pattern is longer than {PATTERN_MAX} characters; use several cases")
    repeats = 0
    before = ""
    for token in _TOKEN.finditer(pattern):
        kind = str(token.lastgroup)
        if kind == "special":
            raise ValueError("'(?' is not allowed; use plain groups and several cases")
        if kind == "escape" and token.group()[1] in "123456789gkZ":
            raise ValueError(f"{token.group()!r} is not allowed; write the text out")
        if kind == "repeat":
            if before == "close":
                raise ValueError("a group must not repeat; repeat a single character or class")
            repeats += 1
            if any(int(number) > VALUE_MAX for number in re.findall(r"\d+", token.group())):
                raise ValueError(f"a repeat of more than {VALUE_MAX} is not allowed")
        if kind == "class" and _SET_OPERATION.search(token.group()[1:-1]):
            raise ValueError("'[', '--', '&&', '||' and '~~' in a class need a backslash")
        if kind == "other" and token.group() == "[":
            raise ValueError(f"{pattern!r} is no regular expression (a class is not closed)")
        before = kind
    if repeats > REPEATS_MAX:
        raise ValueError(f"more than {REPEATS_MAX} repeats in a pattern; use several cases")
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"{pattern!r} is no regular expression ({error})") from error


def matches(pattern: str, value: str) -> bool:
    """Whether the whole value fits a checked pattern. Longer values than VALUE_MAX never do."""
    return len(value) <= VALUE_MAX and re.fullmatch(pattern, value) is not None
