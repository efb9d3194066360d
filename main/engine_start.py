"""Starts the engine's program: loads its modules with the garbage collector at rest.

A thousand modules make objects that all stay; looking through them again and again while they
load takes a fifth of the start.
"""

from __future__ import annotations

import gc
import sys


def main() -> int:
    """The exit code of the engine's process."""
    gc.disable()
    from main.engine_process import main as engine

    gc.enable()
    return engine()


if __name__ == "__main__":
    sys.exit(main())
