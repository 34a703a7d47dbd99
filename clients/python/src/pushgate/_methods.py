"""One method per method of the gateway, for both clients: they differ only in what `call` gives back.

Every method takes further params by name, exactly as the protocol spells them; a param that is None by default is left
out of the call. What comes back is the `result` as parsed JSON.
"""

from typing import Any, Dict, Generic, List, Mapping, Optional, Sequence, TypeVar

__all__ = ["Methods"]

R = TypeVar("R")


def _given(members: Mapping[str, Any], **optional: Any) -> Dict[str, Any]:
    params = {name: value for name, value in optional.items() if value is not None}
    params.update(members)
    return params


class Methods(Generic[R]):
    """The methods of the gateway by their names in snake_case."""

    def call(
        self,
        method: str,
        params: Optional[Mapping[str, Any]] = None,
        /,
        *,
        timeout: Optional[float] = None,
        **members: Any,
    ) -> R:
        raise NotImplementedError

    # -- sessions --

    def initiate_session(self, provider: str, schema: Sequence[Mapping[str, Any]], **members: Any) -> R:
        """Makes a session, or with `name` gets the one of that name: `{success, session_id, created}`."""
        return self.call("initiateSession", _given(members, provider=provider, schema=list(schema)))

    def get_configuration(self, session_id: str, **members: Any) -> R:
        """Provider, schemas and mapping of a session."""
        return self.call("getConfiguration", _given(members, session_id=session_id))

    def list_sessions(self, **members: Any) -> R:
        return self.call("listSessions", members)

    def delete_session(self, session_id: str, **members: Any) -> R:
        """Removes a session and its data; `forget=True` the remembered identities too."""
        return self.call("deleteSession", _given(members, session_id=session_id))

    # -- pushing --

    def push_transfer(
        self, session_id: str, endgrate_type: str, transfer_data: Sequence[Mapping[str, Any]], **members: Any
    ) -> R:
        """The bare call: `{success, transfer_id, statistics, event_cursor, duplicate?}`.

        `push` is usually what is wanted: it cuts, repeats safely and waits.
        """
        required = _given(
            members, session_id=session_id, endgrate_type=endgrate_type, transfer_data=list(transfer_data)
        )
        return self.call("pushTransfer", required)

    def get_transfer(self, transfer_id: str, **members: Any) -> R:
        return self.call("getTransfer", _given(members, transfer_id=transfer_id))

    def get_data(
        self, transfer_id: str, *, limit: Optional[int] = None, offset: Optional[int] = None, **members: Any
    ) -> R:
        """One page of results in the order pushed."""
        return self.call("getData", _given(members, transfer_id=transfer_id, limit=limit, offset=offset))

    def get_errors(
        self,
        *,
        transfer_id: Optional[str] = None,
        session_id: Optional[str] = None,
        limit: Optional[int] = None,
        offset: Optional[int] = None,
        **members: Any,
    ) -> R:
        """One page of the error log."""
        params = _given(members, transfer_id=transfer_id, session_id=session_id, limit=limit, offset=offset)
        return self.call("getErrors", params)

    def get_statistics(
        self, *, transfer_id: Optional[str] = None, session_id: Optional[str] = None, **members: Any
    ) -> R:
        return self.call("getStatistics", _given(members, transfer_id=transfer_id, session_id=session_id))

    # -- events --

    def unsubscribe(self, subscription: str, **members: Any) -> R:
        return self.call("unsubscribe", _given(members, subscription=subscription))

    def ack(self, subscription: str, cursor: str, **members: Any) -> R:
        """The bare call; `Subscription.ack` knows both arguments."""
        return self.call("ack", _given(members, subscription=subscription, cursor=cursor))

    def get_events(
        self,
        cursor: Optional[str] = None,
        *,
        session_id: Optional[str] = None,
        transfer_id: Optional[str] = None,
        types: Optional[List[str]] = None,
        limit: Optional[int] = None,
        wait_ms: Optional[int] = None,
        **members: Any,
    ) -> R:
        """A page of the log: `{events, cursor, oldest, latest, gap}`; `wait_ms` waits for the first one."""
        params = _given(
            members,
            cursor=cursor,
            session_id=session_id,
            transfer_id=transfer_id,
            types=types,
            limit=limit,
            wait_ms=wait_ms,
        )
        return self.call("getEvents", params)

    # -- catalogue and control --

    def get_integrations(self, **members: Any) -> R:
        return self.call("getIntegrations", members)

    def get_types(self, **members: Any) -> R:
        return self.call("getTypes", members)

    def hello(self, **members: Any) -> R:
        """The client has said hello already; this is for asking what the gateway answers to it."""
        return self.call("hello", members)

    def ping(self, **members: Any) -> R:
        return self.call("ping", members)

    def health(self, **members: Any) -> R:
        return self.call("health", members)

    def stats(self, **members: Any) -> R:
        return self.call("stats", members)

    def drain(self, **members: Any) -> R:
        """Asks the gateway to finish what is under way and stop."""
        return self.call("drain", members)

    def discover(self, **members: Any) -> R:
        """The OpenRPC document of the gateway."""
        return self.call("rpc.discover", members)
