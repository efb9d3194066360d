"""The process of a PJSIP phone: pjsua2 with a null sound device, one account, one call at a time.

Commands come as JSON lines ``[name, detail]``; events go out as ``{"event", "detail"}``. All of
PJSIP runs in this one thread, which polls both; only the null device's clock is a thread of its
own (in C).
"""

from __future__ import annotations

import json
import os
import select
import sys
from typing import Any

import pjsua2 as pj

POLL_MS = 5
MEDIA = {
    pj.PJSUA_CALL_MEDIA_ACTIVE: "active",
    pj.PJSUA_CALL_MEDIA_LOCAL_HOLD: "held",
    pj.PJSUA_CALL_MEDIA_REMOTE_HOLD: "held by the other",
}


def tell(event: str, detail: str = "") -> None:
    os.write(1, (json.dumps({"event": event, "detail": detail}) + "\n").encode())


class Line(pj.Call):  # type: ignore[misc]
    """A call; the tone goes out and the ear is recorded whenever its audio is active."""

    def __init__(self, phone: Phone, call_id: int = pj.PJSUA_INVALID_ID) -> None:
        super().__init__(phone.account, call_id)
        self.phone = phone

    def onCallState(self, prm: Any) -> None:
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            tell("up")
        elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.phone.over(self, info.lastStatusCode)

    def onCallMediaState(self, prm: Any) -> None:
        info = self.getInfo()  # owns the vector below
        for number, media in enumerate(info.media):
            if media.type != pj.PJMEDIA_TYPE_AUDIO:
                continue
            tell("media", MEDIA.get(media.status, str(media.status)))
            if media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                self.phone.join(self.getAudioMedia(number))

    def onCallTransferStatus(self, prm: Any) -> None:
        tell("transfer", str(prm.statusCode))


class Account(pj.Account):  # type: ignore[misc]
    def __init__(self, phone: Phone) -> None:
        super().__init__()
        self.phone = phone

    def onRegState(self, prm: Any) -> None:
        tell("registered" if prm.code == 200 else "register-failed", str(prm.code))

    def onIncomingCall(self, prm: Any) -> None:
        self.phone.rung(Line(self.phone, prm.callId))


class Phone:
    def __init__(self, account: dict[str, Any]) -> None:
        self.settings = account
        self.line: Line | None = None
        self.gone: list[Line] = []
        self.recorder: pj.AudioMediaRecorder | None = None
        self.recordings = 0
        self.endpoint = pj.Endpoint()
        self.endpoint.libCreate()
        config = pj.EpConfig()
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        config.uaConfig.userAgent = "PJSUA2"
        config.medConfig.clockRate = config.medConfig.sndClockRate = 8000
        config.medConfig.audioFramePtime = 20
        config.medConfig.noVad = True
        config.medConfig.ecTailLen = 0
        config.medConfig.sndAutoCloseTime = -1
        config.logConfig.level = 4
        config.logConfig.consoleLevel = 4
        self.endpoint.libInit(config)
        kind = pj.PJSIP_TRANSPORT_TCP if account["transport"] == "tcp" else pj.PJSIP_TRANSPORT_UDP
        transport = pj.TransportConfig()
        transport.boundAddress = transport.publicAddress = account["host"]
        self.endpoint.transportCreate(kind, transport)
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()
        for codec in self.endpoint.codecEnum2():
            name = codec.codecId.split("/")[0]
            wanted = account["codecs"]
            priority = 200 - wanted.index(name) if name in wanted else 0
            self.endpoint.codecSetPriority(codec.codecId, priority)
        self.player = pj.AudioMediaPlayer()
        self.player.createPlayer(account["tone"])
        self._make_account()

    def _make_account(self) -> None:
        account = self.settings
        host, port = account["server"]
        suffix = ";transport=tcp" if account["transport"] == "tcp" else ""
        config = pj.AccountConfig()
        config.idUri = f"sip:{account['user']}@{host}:{port}"
        if account["password"]:
            config.regConfig.registrarUri = f"sip:{host}:{port}{suffix}"
            config.regConfig.timeoutSec = 600
            config.sipConfig.authCreds.append(
                pj.AuthCredInfo("digest", "*", account["user"], 0, account["password"])
            )
        config.mediaConfig.transportConfig.boundAddress = account["host"]
        config.mediaConfig.transportConfig.publicAddress = account["host"]
        if account["demanding"]:
            config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_ALWAYS
            config.callConfig.prackUse = pj.PJSUA_100REL_MANDATORY
            config.callConfig.holdType = pj.PJSUA_CALL_HOLD_TYPE_RFC2543
            config.mediaConfig.rtcpMuxEnabled = True
        self.account = Account(self)
        self.account.create(config)

    # --- from the network ----------------------------------------------------------------------

    def rung(self, line: Line) -> None:
        if self.line is not None:
            line.answer(_status(486))
            self.gone.append(line)
            return
        self.line = line
        line.answer(_status(180))
        tell("ringing", line.getInfo().remoteUri)

    def over(self, line: Line, status: int) -> None:
        """The object must outlive this callback, so it only leaves in the next turn."""
        if line is self.line:
            self.line = None
            self.recorder = None
            tell("over", str(status))
        self.gone.append(line)

    def join(self, audio: Any) -> None:
        if self.recorder is None:
            self.recordings += 1
            path = self.settings["heard"].replace(".wav", f"-{self.recordings}.wav")
            self.recorder = pj.AudioMediaRecorder()
            self.recorder.createRecorder(path)
        self.player.startTransmit(audio)
        audio.startTransmit(self.recorder)

    # --- from the test -------------------------------------------------------------------------

    def obey(self, name: str, detail: str) -> None:
        line = self.line
        if name == "dial":
            self.line = line = Line(self)
            line.makeCall(detail, pj.CallOpParam(True))
        elif line is None:
            tell("misuse", name)
        elif name == "answer":
            line.answer(_status(200))
        elif name == "early":
            line.answer(_status(183))
        elif name == "reject":
            line.hangup(_status(int(detail)))
        elif name == "hang_up":
            line.hangup(pj.CallOpParam())
        elif name == "hold":
            line.setHold(pj.CallOpParam())
        elif name == "resume":
            again = pj.CallOpParam(True)
            again.opt.flag = pj.PJSUA_CALL_UNHOLD
            line.reinvite(again)
        elif name == "refer":
            line.xfer(detail, pj.CallOpParam())
        elif name == "press":
            line.dialDtmf(detail)

    def run(self) -> None:
        """Until the input is closed."""
        tell("started")
        os.set_blocking(0, False)
        kept = b""
        while True:
            self.endpoint.libHandleEvents(POLL_MS)
            self.gone.clear()
            if not select.select([0], [], [], 0)[0]:
                continue
            data = os.read(0, 65536)
            if not data:
                return
            *lines, kept = (kept + data).split(b"\n")
            for line in lines:
                name, detail = json.loads(line)
                try:
                    self.obey(name, detail)
                except pj.Error as error:
                    tell("error", f"{name}: {error.info()}")


def _status(code: int) -> Any:
    parameters = pj.CallOpParam(True)
    parameters.statusCode = code
    return parameters


if __name__ == "__main__":
    phone = Phone(json.loads(sys.argv[1]))
    phone.run()
    os._exit(0)  # the test measures files and facts; PJSIP's own leaving takes seconds
