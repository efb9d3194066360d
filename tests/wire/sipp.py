"""Running SIPp, the real program, against a system: scenarios in ``sipp/``, figures parsed.

SIPp picks free ports of its own; ``host`` is its address on loopback, which decides for whom
Offhook takes it (``TRUNK`` or ``STRANGER``).
"""

from __future__ import annotations

import csv
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from router.sip.uri import host_port
from tests.wire.system import TRUNK, System

SCENARIOS = Path(__file__).with_name("sipp")


@dataclass(frozen=True)
class Outcome:
    """What SIPp says at its end. ``code`` 0: every call went as the scenario wants."""

    code: int
    ok: int
    failed: int
    retransmissions: int
    errors: str
    messages: str
    screen: str

    def check(self, calls: int) -> Outcome:
        """Itself; AssertionError with SIPp's own words unless all of ``calls`` went well."""
        told = (self.errors or self.screen)[-3000:]
        assert (self.code, self.ok, self.failed) == (0, calls, 0), (
            f"SIPp: exit {self.code}, {self.ok} calls well, {self.failed} failed\n{told}"
        )
        return self


class Sipp:
    """One SIPp at work. ``finish`` waits for it; ``end`` stops it whatever happened."""

    def __init__(self, folder: Path, command: list[str], timeout_s: float) -> None:
        self._folder = folder
        self._timeout_s = timeout_s
        with (folder / "screen.txt").open("wb") as screen:
            self._process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=screen, stderr=screen
            )

    @property
    def messages(self) -> str:
        """What it has sent and received until now."""
        return self._text("messages.log")

    def finish(self) -> Outcome:
        """AssertionError where it does not end by itself in time: something hangs."""
        try:
            code = self._process.wait(self._timeout_s + 10)
        except subprocess.TimeoutExpired:
            self.end()
            raise AssertionError(
                f"SIPp does not end:\n{self._text('screen.txt')[-3000:]}"
            ) from None
        last = self._figures()
        return Outcome(
            code=code,
            ok=int(last.get("SuccessfulCall(C)", 0)),
            failed=int(last.get("FailedCall(C)", 0)),
            retransmissions=int(last.get("Retransmissions(C)", 0)),
            errors=self._text("errors.log"),
            messages=self._text("messages.log"),
            screen=self._text("screen.txt"),
        )

    def no_more_calls(self) -> None:
        """It makes no new calls, and ends with the last of those that there are."""
        self._process.send_signal(signal.SIGUSR1)

    @property
    def made(self) -> int:
        """Calls until now, at most a second ago."""
        return int(self._figures().get("TotalCallCreated", 0))

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(5)

    def _text(self, name: str) -> str:
        path = self._folder / name
        return path.read_text(errors="replace") if path.exists() else ""

    def _figures(self) -> dict[str, str]:
        """The last line of its statistics file."""
        rows = [*csv.DictReader(self._text("stat.csv").splitlines(), delimiter=";")]
        return dict(rows[-1]) if rows else {}


def start(
    system: System,
    scenario: str,
    *,
    host: str = TRUNK,
    transport: str = "udp",
    calls: int = 1,
    rate: int = 10,
    number: str = "100",
    lost_percent: int = 0,
    keys: Mapping[str, str] | None = None,
    login: tuple[str, str] | None = None,
    timeout_s: float = 30.0,
    more: tuple[str, ...] = (),
) -> Sipp:
    """Start ``sipp/<scenario>.xml``. ``keys`` fill its [words], ``login`` is the digest user and
    password. FileNotFoundError where SIPp is not installed: it is needed, nothing is skipped."""
    folder = Path(tempfile.mkdtemp(prefix="sipp-", dir=system.folder))
    listeners = (system.sip6, system.sip6_tcp) if ":" in host else (system.sip, system.sip_tcp)
    at = listeners[transport == "tcp"]
    command = ["sipp", host_port(*at), "-sf", str(SCENARIOS / f"{scenario}.xml"), "-i", host]
    command += ["-mi", host, "-t", {"udp": "u1", "tcp": "t1"}[transport], "-s", number]
    command += ["-m", str(calls), "-r", str(rate), "-l", "1000", "-nostdin"]
    command += ["-timeout", f"{timeout_s:g}s", "-timeout_error", "-recv_timeout", "20000"]
    command += ["-trace_stat", "-stf", "stat.csv", "-fd", "1"]
    command += ["-trace_err", "-error_file", "errors.log"]
    command += ["-trace_msg", "-message_file", "messages.log"]
    if lost_percent:
        command += ["-lost", str(lost_percent)]
    if login is not None:
        command += ["-au", login[0], "-ap", login[1]]
    for name, value in (keys or {}).items():
        command += ["-key", name, value]
    return Sipp(folder, [*command, *more], timeout_s)


def run(system: System, scenario: str, *, calls: int = 1, **options: object) -> Outcome:
    """Start it, wait, and check that every call went as the scenario wants."""
    return start(system, scenario, calls=calls, **options).finish().check(calls)  # type: ignore[arg-type]
