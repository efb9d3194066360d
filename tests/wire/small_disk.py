"""A disk of a test's own that can be filled up: a small tmpfs.

Root mounts it for all to see. Anybody else does so in a user and mount namespace of the test's
own where the machine lets them (``can_mount``): then the system is started in there too
(``within``), and what it sees at ``folder`` the test finds at ``seen``. Where neither is allowed,
the size of files can still be limited (``may_not_grow``).
"""

from __future__ import annotations

import os
import resource
import shlex
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.wire.system import ROOT

_NAMESPACE = ("unshare", "--map-root-user", "--mount")


class SmallDisk:
    """``fill`` takes every byte that is left, ``free`` gives them back."""

    def __init__(self, folder: Path, seen: Path, within: tuple[str, ...]) -> None:
        self.folder = folder
        self.seen = seen
        self.within = within  # a prefix of the command of whoever is to see it
        self._filler = seen / "filler"

    def fill(self) -> None:
        block = bytes(65_536)
        with self._filler.open("ab", buffering=0) as file:
            while block:
                try:
                    file.write(block)
                except OSError:
                    block = block[: len(block) // 2]

    def free(self) -> None:
        self._filler.unlink()


@cache
def can_mount() -> bool:
    """Whether ``small_disk`` can be had on this machine, by this user."""
    if os.geteuid() == 0:
        return True
    tried = [*_NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/tmp"]
    try:
        return subprocess.run(tried, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[SmallDisk]:
    """An empty tmpfs at ``folder``, which is made."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes},mode=0700", "tmpfs", str(folder)]
    if os.geteuid() != 0:
        with _namespace(shlex.join(mount)) as pid:
            enter = ("nsenter", "--preserve-credentials", "--user", "--mount", "-t", str(pid))
            within = (*enter, "env", f"--chdir={ROOT}")
            yield SmallDisk(folder, Path(f"/proc/{pid}/root{folder}"), within)
        return
    subprocess.run(mount, check=True)
    try:
        yield SmallDisk(folder, folder, ())
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def _namespace(first: str) -> Iterator[int]:
    """The process id of somebody who lives in one, after a command was run there."""
    holder = subprocess.Popen(
        [*_NAMESPACE, "sh", "-c", f"{first} && echo done && exec cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"done\n", first
        yield holder.pid
    finally:
        holder.communicate(timeout=5)  # its input ends, so it does


def may_not_grow(pids: Iterable[int], bytes_max: int) -> None:
    """From now on these processes cannot make a file longer than that (EFBIG)."""
    for pid in pids:
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (bytes_max, hard))


def may_grow(pids: Iterable[int]) -> None:
    """As before."""
    for pid in pids:
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
