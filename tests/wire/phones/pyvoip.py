"""pyVoIP 1.6.8 as a phone; its process is ``pyvoip_process``. docs/peers.md tells its faults."""

from __future__ import annotations

from tests.wire.phones.spoken import SpokenPhone


class Pyvoip(SpokenPhone):
    """UDP and mu-law only; it answers a second after it was rung, at the earliest."""

    module = "tests.wire.phones.pyvoip_process"
