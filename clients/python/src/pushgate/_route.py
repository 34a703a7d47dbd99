"""Who hears what the gateway says by itself: one route a subscription or progress token."""

import threading
from typing import Any, Callable, Dict, Optional

__all__ = ["OnNotification", "OnResult", "Route", "Tap"]

OnResult = Callable[[Any], None]
OnNotification = Callable[[str, Dict[str, Any]], None]


class Route:
    """Who hears the notifications of one subscription or one progress token."""

    def notified(self, method: str, params: Dict[str, Any], size: int) -> None:
        raise NotImplementedError

    def lost(self, subscription: str) -> None:
        """The connection that carried this subscription is over."""


class Tap(Route):
    """Hears the progress of a push on the connection that made it, from before the call until somebody waits.

    Only the newest value of a transfer is kept: a callback wants to know where things stand, not how they got there.
    """

    def __init__(self) -> None:
        # The blocking client hears on its reading thread and waits on another.
        self._lock = threading.Lock()
        self._newest: Dict[str, Dict[str, Any]] = {}
        self._target: Optional[Route] = None

    def notified(self, method: str, params: Dict[str, Any], size: int) -> None:
        value = params.get("value")
        with self._lock:
            if isinstance(value, dict):
                self._newest[str(value.get("transfer_id"))] = params
            target = self._target
        if target is not None:
            target.notified(method, params, size)

    def attach(self, target: Route) -> None:
        """From now on progress arrives between the events of `target`, beginning with what is known already."""
        with self._lock:
            self._target = target
            known = list(self._newest.values())
        for params in known:
            target.notified("$/progress", params, 0)
