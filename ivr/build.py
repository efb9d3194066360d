"""A checked flow file to the values that the machine walks."""

from __future__ import annotations

from pathlib import Path

from config import hours
from config.schedule import build_schedule
from ivr import flow, schema


def build_flow(
    name: str, parsed: schema.FlowFile, folder: Path, languages: frozenset[str]
) -> flow.Flow:
    """``folder`` is where relative audio files are. The file has passed ``ivr.checks``."""
    schedules = {
        key: build_schedule(schedule, parsed.timezone) for key, schedule in parsed.schedules.items()
    }
    nodes = {
        key: _Builder(folder, schedules).node(node, parsed) for key, node in parsed.nodes.items()
    }
    return flow.Flow(
        name, parsed.start, nodes, parsed.language or "", languages, dict(parsed.variables)
    )


class _Builder:
    def __init__(self, folder: Path, schedules: dict[str, hours.Schedule]) -> None:
        self._folder = folder
        self._schedules = schedules

    def lines(self, prompt: tuple[schema.PromptItem, ...] | None) -> flow.Prompts:
        return tuple(self._line(item) for item in prompt or ())

    def _line(self, item: schema.PromptItem) -> flow.Line:
        language = item.language or ""
        if item.text is not None:
            return flow.Line("text", item.text, language)
        if item.audio is not None:
            return flow.Line("audio", str((self._folder / item.audio).resolve()), language)
        if item.phrase is not None:
            return flow.Line("phrase", item.phrase, language)
        if item.number is not None:
            return flow.Line("number", item.number, language)
        return flow.Line("digits", item.digits or "", language)

    def node(self, node: schema.Node, parsed: schema.FlowFile) -> flow.Node:
        match node:
            case schema.Say():
                return flow.SayNode(self.lines(node.prompt), node.next, node.barge_in)
            case schema.Menu():
                return self._menu(node)
            case schema.Collect():
                return self._collect(node)
            case schema.Hours():
                holiday = node.holiday or node.closed
                schedule = self._schedules[node.schedule]
                return flow.HoursNode(schedule, node.open, node.closed, holiday)
            case schema.Set():
                return flow.SetNode(dict(node.values), node.next)
            case schema.Branch():
                cases = (_case(case, node.on or "") for case in node.cases)
                return flow.BranchNode(tuple(cases), node.otherwise)
            case schema.Lookup():
                return self._lookup(node)
            case schema.Queue():
                return flow.QueueNode(
                    node.queue,
                    node.priority,
                    node.rank,
                    dict(node.skills),
                    node.variables,
                    self.lines(node.prompt),
                    dict(node.on),
                    node.next or "",
                )
            case schema.Dial():
                on = {str(result): name for result, name in node.on.items()}
                prompt = self.lines(node.prompt)
                return flow.DialNode(node.target, node.timeout_s, prompt, on, node.next or "")
            case schema.Voicemail():
                return flow.VoicemailNode(self.lines(node.prompt), node.max_s, node.next or "")
            case schema.Callback():
                return self._callback(node)
            case schema.HangUp():
                return flow.HangUpNode(self.lines(node.prompt), node.completed, node.reason)

    def _menu(self, node: schema.Menu) -> flow.MenuNode:
        return flow.MenuNode(
            self.lines(node.prompt),
            dict(node.choices),
            node.timeout_s,
            node.between_s,
            node.retries,
            node.on_timeout or "",
            node.on_invalid or "",
            self.lines(node.invalid),
            self.lines(node.no_input),
            node.barge_in,
        )

    def _collect(self, node: schema.Collect) -> flow.CollectNode:
        keys = flow.Keys(
            self.lines(node.prompt),
            least=node.digits or node.min,
            most=node.digits or node.max,
            terminator=node.terminator,
            timeout_s=node.timeout_s,
            between_s=node.between_s,
            retries=node.retries,
            confirm=node.confirm,
            hidden=node.hidden,
            barge_in=node.barge_in,
        )
        return flow.CollectNode(keys, node.save, node.next, node.on_failure or "")

    def _callback(self, node: schema.Callback) -> flow.CallbackNode:
        keys = flow.Keys(
            self.lines(node.prompt),
            least=node.min,
            most=node.max,
            timeout_s=node.timeout_s,
            retries=node.retries,
            confirm=node.confirm,
        )
        return flow.CallbackNode(
            node.queue, node.number, keys, self.lines(node.confirmed), node.on_failure or ""
        )

    def _lookup(self, node: schema.Lookup) -> flow.LookupNode:
        return flow.LookupNode(
            node.url,
            node.method,
            node.timeout_s,
            dict(node.fields),
            node.next,
            node.on_failure,
            dict(node.headers),
            node.body,
            self.lines(node.prompt),
        )


def _case(case: schema.Case, variable: str) -> flow.Case:
    name = case.on or variable
    match case:
        case schema.Case(prefix=tuple(operands)):
            return flow.Case(name, "prefix", operands, case.next)
        case schema.Case(in_=tuple(operands)):
            return flow.Case(name, "in", operands, case.next)
        case schema.Case(matches=str(pattern)):
            return flow.Case(name, "matches", (pattern,), case.next)
        case schema.Case(at_least=float(least)):
            return flow.Case(name, "at_least", (str(least),), case.next)
    return flow.Case(name, "equals", (case.equals or "",), case.next)
