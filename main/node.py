"""``offhook upgrade``, ``drain`` and ``reload``: asked of the supervisor that runs."""

from __future__ import annotations

import argparse
import socket
from typing import Any

from config.errors import PeerError
from config.loading import load_settings
from engine.handover import control_path
from engine.line import Line
from router.sip.errors import ParseError
from router.sip.uri import Uri


class NodeError(PeerError):
    """No offhook runs there, or it went away."""


def run(options: argparse.Namespace) -> int:
    """Ask, and print what is told until the end; the exit code."""
    request: dict[str, Any] = {"do": options.command}
    if getattr(options, "to", ""):
        request["to"] = _peer(options.to)
    data_dir = str(load_settings(options.config).data_dir)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        try:
            sock.connect(control_path(data_dir))
        except OSError as error:
            raise NodeError(
                f"no offhook runs with data_dir {data_dir} ({error.strerror}): start it with "
                "offhook serve, or name its configuration with -c"
            ) from None
        line = Line(sock)
        line.say(request)
        while (heard := line.hear()) is not None:
            print(heard.message["say"], flush=True)
            if "status" in heard.message:
                return int(heard.message["status"])
    raise NodeError("offhook went away before it was done")


def _peer(text: str) -> str:
    try:
        uri = Uri.parse(text)
    except ParseError as error:
        raise NodeError(f"--to {text}: {error}; like sip:other.example:5060") from None
    if uri.scheme not in ("sip", "sips") or not uri.host:
        raise NodeError(f"--to {text}: not a SIP URI; like sip:other.example:5060")
    return str(uri)
