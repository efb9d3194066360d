"""The configuration and its flows together: what each names of the other must exist."""

from __future__ import annotations

from pathlib import Path

from config.loading import DEFAULT_FILE, load_settings
from config.settings import Settings
from config.yaml_lines import load_yaml
from ivr.loader import SHIPPED_DIR, FlowSet, load_flows


def load(config: Path | None) -> tuple[Settings, FlowSet]:
    """Settings and flows. Raises ConfigError with file, line and remedy."""
    settings = load_settings(config)
    queues = frozenset(queue.name for queue in settings.queues)
    if settings.flows_dir is None and not any(number.flow for number in settings.numbers):
        return settings, FlowSet({}, "none")  # the shipped flows know queues of their own
    flows = load_flows(settings.flows_dir or SHIPPED_DIR, queues=queues)
    for at, number in enumerate(settings.numbers):
        if number.flow is not None and flows.get(number.flow) is None:
            raise load_yaml(config or DEFAULT_FILE).error(
                ("numbers", at, "flow"),
                f"no flow {number.flow!r}; there are: {', '.join(sorted(flows.flows))}",
            )
    return settings, flows
