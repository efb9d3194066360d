"""``offhook serve``: check the configuration, then become the supervisor."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from engine.children import begin, take_back, to_inherit
from engine.handover import Listener, SupervisorPlan, media_workers, socket_folder

if TYPE_CHECKING:
    from config.settings import Settings


def plan_of(
    settings: Settings, config: Path | None, log_level: str, spare: bool = True
) -> SupervisorPlan:
    """What the supervisor opens and starts for these settings."""
    from router.sip.transport import stream_limits

    data_dir = str(settings.data_dir)
    media = settings.media
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
        engine=engine_command(config, log_level),
        streams_max=stream_limits(settings.sip.limits).streams_max,
        spare=spare,
    )


def engine_command(config: Path | None, log_level: str) -> tuple[str, ...]:
    """What loads an engine."""
    command = [sys.executable, "-m", "main.engine_start", "--log-level", log_level]
    if config is not None:
        command += ["--config", str(config.absolute())]
    return tuple(command)


def serve(config: Path | None, log_level: str, spare: bool = True) -> NoReturn:
    """Raises ConfigError for a wrong configuration; else this process is the supervisor.

    The engine's modules take the longest part of the start. They load in another process while
    this one reads the configuration, which is why it imports what it needs for that so late.
    """
    os.umask(0o077)  # callers' numbers and voices are the owner's alone, in every process of ours
    first = begin(engine_command(config, log_level), "first")
    try:
        plan = _checked(config, log_level, spare)
    except BaseException:
        take_back(first)
        raise
    _become_the_supervisor(plan._replace(first=to_inherit(first)))


def _checked(config: Path | None, log_level: str, spare: bool) -> SupervisorPlan:
    gc.disable()  # what is imported stays, and this program does not
    from config.credentials import load_secrets
    from main.loading import load

    try:
        settings, _ = load(config)
        load_secrets(settings)
        os.makedirs(settings.data_dir, exist_ok=True)
        return plan_of(settings, config, log_level, spare)
    finally:
        gc.enable()


def _become_the_supervisor(plan: SupervisorPlan) -> NoReturn:
    """The memory of whoever read the configuration is given back."""
    fd = os.memfd_create("plan", 0)  # inheritable
    os.write(fd, plan.to_json().encode())
    os.lseek(fd, 0, os.SEEK_SET)
    command = [sys.executable, "-m", "engine.supervisor", str(fd)]
    os.execv(sys.executable, command)  # noqa: S606 (no shell is wanted)
