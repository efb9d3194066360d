"""``offhook serve``: check the configuration, then become the supervisor."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

from config.credentials import load_secrets
from config.settings import Settings
from engine.handover import Listener, SupervisorPlan, media_workers, socket_folder
from main.loading import load
from router.sip.transport import stream_limits


def plan_of(
    settings: Settings, config: Path | None, log_level: str, spare: bool = True
) -> SupervisorPlan:
    """What the supervisor opens and starts for these settings."""
    data_dir = str(settings.data_dir)
    media = settings.media
    engine = [sys.executable, "-m", "main.engine_start", "--log-level", log_level]
    if config is not None:
        engine += ["--config", str(config.absolute())]
    return SupervisorPlan(
        data_dir=data_dir,
        sip=tuple(Listener(item.transport, item.host, item.port) for item in settings.sip.listen),
        api=Listener("tcp", settings.api.host, settings.api.port),
        workers=media_workers(
            socket_folder(data_dir),
            media.workers,
            media.hosts,
            media.port_min,
            media.port_max,
            media.port_rest_s,
        ),
        engine=tuple(engine),
        streams_max=stream_limits(settings.sip.limits).streams_max,
        spare=spare,
    )


def serve(config: Path | None, log_level: str, spare: bool = True) -> NoReturn:
    """Raises ConfigError for a wrong configuration; else this process is the supervisor."""
    os.umask(0o077)  # callers' numbers and voices are the owner's alone, in every process of ours
    settings, _ = load(config)
    load_secrets(settings)
    os.makedirs(settings.data_dir, exist_ok=True)
    _become_the_supervisor(plan_of(settings, config, log_level, spare))


def _become_the_supervisor(plan: SupervisorPlan) -> NoReturn:
    """The memory of whoever read the configuration is given back."""
    fd = os.memfd_create("plan", 0)  # inheritable
    os.write(fd, plan.to_json().encode())
    os.lseek(fd, 0, os.SEEK_SET)
    command = [sys.executable, "-m", "engine.supervisor", str(fd)]
    os.execv(sys.executable, command)  # noqa: S606 (no shell is wanted)
