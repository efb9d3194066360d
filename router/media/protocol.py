"""What the engine and a media worker say to each other over a unix stream socket.

A frame is a 4-byte big-endian length and a msgpack array.

Engine to worker: ``[0, generation, number, type name, body]``. Every frame carries the
engine's generation (grows with each engine start, from the journal). A worker refuses every
generation older than the highest it has seen (``Refused("stale generation ...")``). Commands
are idempotent: the same command twice leaves the state of once. A command of number 0 is one
that nobody waits for: it is answered only where it is refused.

Worker to engine: ``[1, number, type name, body]`` answers the command of that number;
``[2, number, type name, body]`` is a report: numbered from 1 without gaps over the worker's
life, kept and sent again to each new engine until ``Acknowledge``; ``[3, 0, type name, body]``
is a figure, sent and forgotten.

What follows is named in every command (``then``), so that nothing turns silent while the
engine is away.
"""

from __future__ import annotations

from typing import Literal

from config.values import value

Address = tuple[str, int]
Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]  # as seen by Offhook

# --- engine to worker -------------------------------------------------------------------


@value(frozen=True, slots=True)
class Hello:
    """First frame on a connection. Answer: Welcome, then every report not acknowledged."""

    engine: str


@value(frozen=True, slots=True)
class Acknowledge:
    """The engine journaled every report up to and including this number. No answer."""

    report: int


@value(frozen=True, slots=True)
class ListSessions:
    """Ask for the full state. Answer: Sessions."""


@value(frozen=True, slots=True)
class Open:
    """Open the media of one leg: an RTP and an RTCP port. Answer: Opened.

    ``remote`` and ``payload_type`` may be unknown yet (late session description) and come by
    Update. ``port`` asks for a certain RTP port (re-creation after a worker's death), 0 for any.
    """

    session: str
    ipv6: bool = False
    port: int = 0
    timeout_s: float = 15.0


@value(frozen=True, slots=True)
class Update:
    """What the far end's session description and signalling say. Answer: Done.

    ``remote`` is where to send before latching; ``sources`` are the hosts that RTP may come
    from (the description's address and the one that signalling came from). A changed
    ``remote`` opens the latch again for that address.
    """

    session: str
    remote: Address | None
    sources: tuple[str, ...]
    payload_type: int  # 0 PCMU, 8 PCMA
    digits_type: int | None  # RTP payload type of telephone-event, or None
    direction: Direction = "sendrecv"


@value(frozen=True, slots=True)
class Play:
    """Play files once in order, then loop ``then`` (empty: silence). Answer: Done.

    Files are raw G.711 mu-law, 8 kHz, mono. A session already playing ``play`` goes on
    undisturbed; one that ended or gave way to another play never begins again (its PlayEnded is
    kept until acknowledged); one that a bridge interrupted goes on where it was. Playing takes
    the session's ear away from a bridge, not its mouth; when the files end and ``then`` is
    empty, a bridged session's ear goes back to the bridge.

    ``alone`` loops in place of the silence after the files while no engine has been connected
    for 1.5 s: a menu whose answer nobody takes is not to sound dead.
    """

    session: str
    play: str
    files: tuple[str, ...]
    then: tuple[str, ...] = ()
    stop_on_digit: bool = False
    alone: tuple[str, ...] = ()


@value(frozen=True, slots=True)
class Bridge:
    """Relay between two sessions; when one goes, the other hears ``then``. Answer: Done.

    Both ears go to the bridge, whatever played; the same again leaves a bridge undisturbed.
    While one side is silent for longer than its timeout, the other hears ``then``.
    """

    left: str
    right: str
    then: tuple[str, ...] = ()


@value(frozen=True, slots=True)
class Unbridge:
    """End the bridge of this session; each side then hears ``then``. Answer: Done."""

    session: str
    then: tuple[str, ...] = ()


@value(frozen=True, slots=True)
class SendDigits:
    """Send RFC 4733 events to the far end. Idempotent by ``digits_id``. Answer: Done."""

    session: str
    digits_id: str
    digits: str
    duration_ms: int = 100


@value(frozen=True, slots=True)
class Record:
    """Append what ``left`` and ``right`` say to a recording file (format: media.recording).

    Answer: Done. ``right`` may be empty (voicemail). The same recording again with another
    ``right`` changes the side (a second agent). Ends by StopRecord or when both are closed.
    One that has ended (same id, same path) is not begun again: its RecordingSegment follows
    once more.
    """

    recording: str
    path: str
    left: str
    right: str = ""


@value(frozen=True, slots=True)
class PauseRecord:
    """Pause (nothing is stored, time goes on) or resume. Answer: Done."""

    recording: str
    paused: bool


@value(frozen=True, slots=True)
class StopRecord:
    """End a recording; its RecordingSegment report follows. Answer: Done."""

    recording: str


@value(frozen=True, slots=True)
class Close:
    """Close a session; its ports rest. Answer: Closed, the same again for one closed already."""

    session: str


Command = (
    Hello
    | Acknowledge
    | ListSessions
    | Open
    | Update
    | Play
    | Bridge
    | Unbridge
    | SendDigits
    | Record
    | PauseRecord
    | StopRecord
    | Close
)

# --- answers ----------------------------------------------------------------------------


@value(frozen=True, slots=True)
class Welcome:
    worker: str
    pid: int
    sessions: int
    first_report: int  # oldest report kept, 0 when none


@value(frozen=True, slots=True)
class Opened:
    session: str
    port: int


@value(frozen=True, slots=True)
class Done:
    pass


@value(frozen=True, slots=True)
class Refused:
    """The command had no effect; ``reason`` is for a log line."""

    reason: str


@value(frozen=True, slots=True)
class LegFigures:
    """Counters of one session since Open. Loss by RFC 3550 A.3, jitter in ms (A.8)."""

    received: int = 0
    sent: int = 0
    lost: int = 0
    jitter_ms: float = 0.0
    dropped: int = 0  # came from a stranger, was no RTP, or found no taker
    remote_lost: int = 0  # as the far end's RTCP reports it
    remote_jitter_ms: float = 0.0
    round_trip_ms: float = 0.0


@value(frozen=True, slots=True)
class Closed:
    session: str
    figures: LegFigures


@value(frozen=True, slots=True)
class SessionState:
    session: str
    port: int
    ipv6: bool
    remote: Address | None
    latched: Address | None
    payload_type: int
    digits_type: int | None
    direction: Direction
    play: str  # id of the Play in effect, "" when none
    bridged: str  # the other session, "" when none
    recording: str  # recording id, "" when none
    figures: LegFigures


@value(frozen=True, slots=True)
class Sessions:
    """``closed``: ids of the sessions closed last. An engine that finds one of its own among
    them has a leg that its forerunner was done with; what is in neither died with a worker."""

    sessions: tuple[SessionState, ...]
    closed: tuple[str, ...] = ()


Answer = Welcome | Opened | Done | Refused | Closed | Sessions

# --- reports (numbered, kept until acknowledged) -------------------------------------------


@value(frozen=True, slots=True)
class Digit:
    """One key press, once, however many packets told it. ``at`` is unix time."""

    session: str
    key: str
    at: float


@value(frozen=True, slots=True)
class PlayEnded:
    """The files of ``play`` ended (or a digit stopped them); ``then`` is on now."""

    session: str
    play: str
    by_digit: bool
    at: float


@value(frozen=True, slots=True)
class MediaTimeout:
    """No RTP for the session's ``timeout_s`` although the far end should be sending."""

    session: str
    at: float


@value(frozen=True, slots=True)
class RecordingSegment:
    """A recording file is complete (stopped, or its sessions closed)."""

    recording: str
    path: str
    started: float
    ended: float
    left_packets: int
    right_packets: int
    error: str = ""  # why part of it is missing: "disk full ..."


Report = Digit | PlayEnded | MediaTimeout | RecordingSegment

# --- figures (sent and forgotten, every 5 s and at close) ------------------------------------


@value(frozen=True, slots=True)
class WorkerFigures:
    worker: str
    sessions: int
    ports_free: int
    received: int
    sent: int
    lost: int
    loop_lag_ms_max: float
    cpu_s: float


Figure = WorkerFigures
