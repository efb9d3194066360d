"""Asking for keys: menus, digits and the number of a callback.

Functions return the name of the node to enter next, or None where the call waits or has ended.
"""

from __future__ import annotations

from config.values import changed
from ivr.actions import Phrase, Prompt, RequestCallback
from ivr.flow import CallbackNode, CollectNode, Keys, MenuNode, SayNode
from ivr.walk import Walk

Next = str | None
CONFIRM, AGAIN, CLEAR = "1", "2", "*"


def _asking(walk: Walk) -> MenuNode | Keys:
    node = walk.flow.nodes[walk.position.node]
    if isinstance(node, CollectNode | CallbackNode):
        return node.keys
    return walk.node(MenuNode)


def may_interrupt(walk: Walk) -> bool:
    """Whether a key may cut the prompt that plays now."""
    if walk.position.waiting_for == "confirm-prompt":
        return True
    node = walk.flow.nodes[walk.position.node]
    return node.barge_in if isinstance(node, SayNode) else _asking(walk).barge_in


def ask(walk: Walk, lead: tuple[Prompt, ...] = ()) -> Next:
    """Play the prompt and wait for keys; keys pressed ahead are taken at once instead."""
    asking = _asking(walk)
    ahead = walk.position.ahead if asking.barge_in else ""
    walk.position = changed(walk.position, ahead="", collected="")
    if ahead:
        walk.wait("keys", asking.timeout_s)
        return _take(walk, ahead)
    if not walk.say(lead + walk.render(asking.prompt), "prompt", asking.barge_in):
        walk.wait("keys", asking.timeout_s)
    return None


def _take(walk: Walk, keys: str) -> Next:
    """Keys one by one; those after the end of this input stay ahead, unless it went wrong."""
    for at, pressed in enumerate(keys):
        following = key(walk, pressed)
        if following is not None:
            walk.position = changed(walk.position, ahead=keys[at + 1 :])
            return following
        if walk.position.waiting_for != "keys":
            break
    return None


def prompted(walk: Walk) -> Next:
    """The prompt is over: the time for an answer runs."""
    asked = walk.position.waiting_for == "prompt"
    walk.wait("keys" if asked else "confirm-keys", _asking(walk).timeout_s)
    return None


def key(walk: Walk, pressed: str) -> Next:
    """A key of the input in progress."""
    asking = _asking(walk)
    if isinstance(asking, MenuNode):
        return _menu_key(walk, asking, walk.position.collected + pressed)
    return _keys_key(walk, asking, pressed)


def _menu_key(walk: Walk, menu: MenuNode, keys: str) -> Next:
    longer = any(choice.startswith(keys) and choice != keys for choice in menu.choices)
    if longer:
        walk.position = changed(walk.position, collected=keys)
        walk.wait("keys", menu.between_s)
        return None
    return menu.choices[keys] if keys in menu.choices else failed(walk, "invalid")


def _keys_key(walk: Walk, asking: Keys, pressed: str) -> Next:
    collected = walk.position.collected
    if pressed == asking.terminator:
        return answer(walk) if len(collected) >= asking.least else failed(walk, "invalid")
    if pressed == CLEAR:
        collected = ""
    elif pressed in "0123456789":
        collected += pressed
    else:
        return failed(walk, "invalid")
    walk.position = changed(walk.position, collected=collected)
    if len(collected) >= asking.most:
        return answer(walk)
    walk.wait("keys", asking.between_s if collected else asking.timeout_s)
    return None


def no_key(walk: Walk) -> Next:
    """The time for a key, or for the next one, is over."""
    asking, collected = _asking(walk), walk.position.collected
    if isinstance(asking, MenuNode):
        if collected in asking.choices:
            return asking.choices[collected]
    elif collected and len(collected) >= asking.least:
        return answer(walk)
    return failed(walk, "invalid" if collected else "no-input")


def failed(walk: Walk, why: str) -> Next:
    """Ask again, or go on where the retries are used up. ``why``: invalid or no-input."""
    node, asking = walk.flow.nodes[walk.position.node], _asking(walk)
    attempts = walk.position.attempts + 1
    walk.position = changed(walk.position, attempts=attempts, collected="", ahead="")
    if attempts > asking.retries:
        following = ""
        if isinstance(node, MenuNode):
            following = node.on_invalid if why == "invalid" else node.on_timeout
        elif isinstance(node, CollectNode | CallbackNode):
            following = node.on_failure
        return following or walk.fail(f"{why} in {walk.position.node}")
    own: tuple[Prompt, ...] = ()
    if isinstance(node, MenuNode):
        own = walk.render(node.invalid if why == "invalid" else node.no_input)
    return ask(walk, own or (walk.phrase(why),))


def answer(walk: Walk) -> Next:
    """The input is complete: confirm it or go on with it."""
    if _confirms(walk):
        return _read_back(walk)
    return _accept(walk)


def _confirms(walk: Walk) -> bool:
    asking = _asking(walk)
    return isinstance(asking, Keys) and asking.confirm


def _read_back(walk: Walk, lead: tuple[Prompt, ...] = ()) -> Next:
    position = walk.position
    said = Phrase(f"digits-{position.collected}", position.language)
    prompts = (*lead, walk.phrase("you-entered"), said, walk.phrase("confirm-or-again"))
    walk.say(prompts, "confirm-prompt", barge_in=True)
    return None


def confirm_key(walk: Walk, pressed: str) -> Next:
    """1 takes the digits read back, 2 asks for them again."""
    if pressed == CONFIRM:
        return _accept(walk)
    if pressed == AGAIN:
        return failed(walk, "again")
    return unconfirmed(walk, "invalid")


def unconfirmed(walk: Walk, why: str) -> Next:
    """Neither yes nor no: read back again, within the node's retries."""
    attempts = walk.position.attempts + 1
    if attempts > _asking(walk).retries:
        return failed(walk, why)
    walk.position = changed(walk.position, attempts=attempts)
    return _read_back(walk, (walk.phrase(why),))


def _accept(walk: Walk) -> Next:
    node, digits = walk.flow.nodes[walk.position.node], walk.position.collected
    walk.position = changed(walk.position, collected="")
    if isinstance(node, CallbackNode):
        return request_callback(walk, node, digits)
    node = walk.node(CollectNode)
    if node.keys.hidden:
        secrets = {**walk.position.secrets, node.save: digits}
        walk.position = changed(walk.position, secrets=secrets)
    else:
        walk.assign({node.save: digits})
    return node.next


def request_callback(walk: Walk, node: CallbackNode, number: str) -> Next:
    walk.actions.append(RequestCallback(number, node.queue))
    return walk.end(walk.render(node.confirmed), completed=True, reason="callback requested")
