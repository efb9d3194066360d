"""What the log needs beside it so that the floor's decisions can be explained and taken again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config.settings import Settings
from engine.journal import Entry
from engine.pictures import Pictures
from engine.why import Asking
from queues.events import FloorRulesAdopted
from queues.rules import FloorRules, from_settings
from queues.why.picture import state_of, take

if TYPE_CHECKING:
    from engine.engine import Engine


class FloorHistory:
    """Writes down the floor's rules, and pictures of it, as the log goes on."""

    def __init__(self, engine: Engine) -> None:
        self.folder = engine.settings.data_dir / "journal"
        self._engine = engine
        self._pictures = Pictures(self.folder, engine.version)
        self._begun = False
        self.asking = Asking()

    def begin(self) -> None:
        """After the log was folded, before the first decision of this start."""
        self._pictures.cut(self._engine.journal.recovered.last_seq)
        self._adopt(state_of(self._engine.floor.floor).rules)
        self._begun = True
        self._picture()

    def reload(self, settings: Settings) -> None:
        """Just before the floor obeys these settings."""
        self._adopt(from_settings(settings))

    def _adopt(self, rules: FloorRules) -> None:
        digest = self._pictures.adopt(rules)
        self._engine.turns.fact("", FloorRulesAdopted(digest))

    def note(self, entry: Entry) -> None:
        """An entry is durable; called between turns, when the floor is at rest."""
        if self._begun and self._pictures.is_due(entry.seq):
            self._picture()

    def _picture(self) -> None:
        floor = self._engine.floor.floor
        self._pictures.save(self._engine.journal.last_seq, take(state_of(floor)))
