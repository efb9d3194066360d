"""The process of a pyVoIP phone: one account, one call at a time.

The same JSON lines as ``pjsip_process``. pyVoIP needs its port told beforehand (0 is not
understood), so another one is tried where it is taken; its audio is 8 bit, unsigned, linear.
"""

from __future__ import annotations

import json
import os
import random
import struct
import sys
import threading
import time
import wave
from typing import Any

from pyVoIP.VoIP import CallState, VoIPCall, VoIPPhone

FRAME = 160
TRIES = 20


def tell(event: str, detail: str = "") -> None:
    os.write(1, (json.dumps({"event": event, "detail": detail}) + "\n").encode())


def eight_bit(path: str) -> bytes:
    with wave.open(path, "rb") as file:
        data = file.readframes(file.getnframes())
    return bytes((value >> 8) + 128 for value in struct.unpack(f"<{len(data) // 2}h", data))


class Phone:
    def __init__(self, account: dict[str, Any]) -> None:
        self.settings = account
        self.tone = eight_bit(account["tone"])
        self.call: VoIPCall | None = None
        self.calls = 0
        self.phone = self._register()

    def _register(self) -> VoIPPhone:
        host, port = self.settings["server"]
        for attempt in range(TRIES):
            own = random.randrange(30_000, 32_000, 2)
            phone = VoIPPhone(
                host,
                port,
                self.settings["user"],
                self.settings["password"],
                myIP=self.settings["host"],
                callCallback=self._rung,
                sipPort=own,
                rtpPortLow=random.randrange(32_100, 32_600),
                rtpPortHigh=32_700,
            )
            try:
                phone.start()
            except OSError:
                if attempt == TRIES - 1:
                    raise
            else:
                return phone
        raise RuntimeError("no port")

    def _rung(self, call: VoIPCall) -> None:
        """In a thread of pyVoIP's, which is this call's for as long as it lasts."""
        self.call = call
        tell("ringing")
        while call.state == CallState.RINGING:
            time.sleep(0.01)
        self._talk(call)

    def _talk(self, call: VoIPCall) -> None:
        if call.state == CallState.ANSWERED:
            tell("up")
            call.write_audio(self.tone)
            ear = threading.Thread(target=self._listen, args=(call,), daemon=True)
            ear.start()
            while call.state == CallState.ANSWERED:
                time.sleep(0.01)
            ear.join(1)
        self.call = None
        tell("over")

    def _listen(self, call: VoIPCall) -> None:
        heard = bytearray()
        (line,) = call.RTPClients
        while line.NSD:  # a closed line gives silence without end, as fast as one asks
            heard += call.read_audio(FRAME, True)
        self.calls += 1
        with wave.open(self.settings["heard"].replace(".wav", f"-{self.calls}.wav"), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(struct.pack(f"<{len(heard)}h", *((v - 128) << 8 for v in heard)))

    def obey(self, name: str, detail: str) -> None:
        call = self.call
        if name == "dial":
            self.call = call = self.phone.call(detail)
            threading.Thread(target=self._dialled, args=(call,), daemon=True).start()
        elif call is None:
            tell("misuse", name)
        elif name == "answer":
            call.answer()
        elif name == "reject":
            call.deny()  # 486, whatever was asked for
        elif name == "hang_up":
            call.hangup()

    def _dialled(self, call: VoIPCall) -> None:
        while call.state == CallState.DIALING:
            time.sleep(0.01)
        self._talk(call)


if __name__ == "__main__":
    tell("started")
    phone = Phone(json.loads(sys.argv[1]))
    tell("registered")
    for line in sys.stdin:
        phone.obey(*json.loads(line))
    os._exit(0)
