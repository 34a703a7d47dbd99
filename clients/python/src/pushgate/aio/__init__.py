"""The asyncio twin of `pushgate.Client`: the same names, with `await`, `async with` and `async for`."""

from ._client import Client
from ._plan import Plan
from ._subscription import Subscription
from ._transfer import Resolution, Transfer

__all__ = ["Client", "Plan", "Resolution", "Subscription", "Transfer"]
