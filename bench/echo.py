"""The least that a durable answer costs: a datagram in, one fdatasync in a thread, a datagram out.

    python -m bench.echo FILE HOST    (started by ``bench.dispatch_wire``)

The shape is the engine's (uvloop, a socket of its own reader, one thread that writes and syncs,
the answer from the loop), the work is not: nothing is parsed or decided. Prints its port.
"""

from __future__ import annotations

import asyncio
import os
import queue
import socket
import sys
import threading

import uvloop

RECORD = bytes(700)  # about what the facts of a hang-up and an offer take


async def main(path: str, host: str) -> None:
    """Answers until its standard input ends."""
    loop = asyncio.get_running_loop()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    sock.setblocking(False)
    waiting: queue.SimpleQueue[tuple[bytes, tuple[str, int]]] = queue.SimpleQueue()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def write() -> None:
        offset = 0
        while True:
            data, source = waiting.get()
            offset += os.pwrite(fd, RECORD, offset)
            os.fdatasync(fd)
            loop.call_soon_threadsafe(sock.sendto, data, source)

    def readable() -> None:
        waiting.put(sock.recvfrom(65_535))

    threading.Thread(target=write, name="disk", daemon=True).start()
    loop.add_reader(sock.fileno(), readable)
    print(sock.getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.buffer.read)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2]))
