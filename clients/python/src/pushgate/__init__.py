"""Push records through a Pushgate gateway.

    import pushgate

    with pushgate.Client() as client:
        transfer = client.push(session_id, "crm-contact", [{"internal_id": "1", "data": {"email": "bob@example.com"}}])
        for row in transfer.data():
            print(row["id"])

`pushgate.aio.Client` is the same for asyncio.
"""

from . import _errors
from ._client import Client
from ._errors import *  # noqa: F403
from ._events import Event
from ._options import PartsOptions, PushOptions, RecordOptions, Webhook
from ._plan import Plan
from ._push import mint_key
from ._subscription import Subscription
from ._transfer import Resolution, Transfer
from ._version import __version__

__all__ = [
    "Client",
    "Event",
    "PartsOptions",
    "Plan",
    "PushOptions",
    "RecordOptions",
    "Resolution",
    "Subscription",
    "Transfer",
    "Webhook",
    "__version__",
    "mint_key",
]
__all__ += _errors.__all__
