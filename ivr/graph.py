"""The ways through a flow: nodes that none leads to, and rounds without an end."""

from __future__ import annotations

from collections.abc import Iterator

from ivr.flow import Flow, edges, silent_edges


def unreachable(flow: Flow) -> list[str]:
    """Nodes that no way from the start leads to."""
    seen, todo = {flow.start}, [flow.start]
    while todo:
        for name in edges(flow.nodes[todo.pop()]):
            if name and name not in seen:
                seen.add(name)
                todo.append(name)
    return [name for name in flow.nodes if name not in seen]


def endless(flow: Flow) -> Iterator[list[str]]:
    """Rounds that a caller who presses nothing walks for ever: names, the first again last.

    Walks in depth over the ways that need no key, no person and no machine to record.
    """
    done: set[str] = set()
    for first in flow.nodes:
        path: list[str] = []
        todo = [(first, 0)]
        while todo:
            name, depth = todo.pop()
            del path[depth:]
            if name in path:
                yield [*path[path.index(name) :], name]
            elif name not in done:
                path.append(name)
                done.add(name)
                ways = silent_edges(flow.nodes[name])
                todo += [(following, depth + 1) for following in ways if following]
