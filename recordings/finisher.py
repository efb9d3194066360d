"""The finishing process: ``python -m recordings.finisher``.

Reads jobs from standard input and answers on standard output, in order, a JSON line each
(``recordings.finisher_protocol``). Ends with its input.
"""

from __future__ import annotations

import os
import signal
import sys

if __name__ == "__main__":
    # OpenSSL would take 4 MB; hashlib has SHA-256 of its own without it.
    sys.modules.setdefault("_hashlib", None)  # type: ignore[arg-type]

import msgspec

from recordings.finish import UnfinishableError, finish
from recordings.finisher_protocol import Answer, Job

NICE = 10  # calls come first


def work(job: Job) -> Answer:
    """Do one job; whatever goes wrong with it is its answer."""
    try:
        done = finish(job.paths, job.target)
    except UnfinishableError as error:
        return Answer(job.recording, error=str(error))
    except OSError as error:
        return Answer(job.recording, error=f"writing failed: {error.strerror or error}")
    return Answer(job.recording, job.target, *done[:3], warning=done.warning)


def main() -> None:
    """Serve until the input ends. Ctrl-C is the parent's to act on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICE)
    decode, encode = msgspec.json.Decoder(Job).decode, msgspec.json.encode
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(encode(work(decode(line))) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
