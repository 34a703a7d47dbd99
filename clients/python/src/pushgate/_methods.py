"""One method per method of the gateway, for both clients: they differ only in what `call` gives back.

Every method takes further params by name, exactly as the protocol spells them; a param that is None by default is left
out of the call. What comes back is the `result` as parsed JSON.
"""

from typing import Any, Dict, Generic, List, Mapping, Optional, Sequence, TypeVar

from ._options import given

__all__ = ["Methods"]

R = TypeVar("R")


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
        """Makes a session, or with `name` gets the one of that name: `{success, session_id, created}`.

        `credentials={"token": …}` hands over the provider's token, which is kept sealed and never shown again;
        `credentials={"name": …}` goes by one that the gateway's operator has defined.
        """
        return self.call("initiateSession", given(members, provider=provider, schema=list(schema)))

    def get_configuration(self, session_id: str, **members: Any) -> R:
        """Provider, schemas and mapping of a session."""
        return self.call("getConfiguration", given(members, session_id=session_id))

    def update_session(self, session_id: str, **members: Any) -> R:
        """Changes what a session does (`mapping`, `freshness`, `label`, …); what is left out stays as it is.

        `credentials` are those of its account, for all of its sessions; None takes them away.
        """
        return self.call("updateSession", given(members, session_id=session_id))

    def set_schemas(self, session_id: str, schema: Sequence[Mapping[str, Any]], **members: Any) -> R:
        """Gives a session other schemas, in place of those before."""
        return self.call("setSchemas", given(members, session_id=session_id, schema=list(schema)))

    def list_sessions(self, *, limit: Optional[int] = None, offset: Optional[int] = None, **members: Any) -> R:
        """One page; `sessions` walks over all."""
        return self.call("listSessions", given(members, limit=limit, offset=offset))

    def delete_session(self, session_id: str, **members: Any) -> R:
        """Removes a session and its data; `forget=True` the remembered identities too."""
        return self.call("deleteSession", given(members, session_id=session_id))

    # -- pushing --

    def push_transfer(
        self,
        session_id: Optional[str] = None,
        endgrate_type: Optional[str] = None,
        transfer_data: Optional[Sequence[Mapping[str, Any]]] = None,
        *,
        plan_id: Optional[str] = None,
        **members: Any,
    ) -> R:
        """The bare call: `{success, transfer_id, statistics, event_cursor, duplicate?}`.

        `push` is usually what is wanted: it cuts, repeats safely and waits; for a plan, `Plan.apply`.
        """
        return self.call("pushTransfer", given(members, **_records(session_id, endgrate_type, transfer_data, plan_id)))

    def plan_transfer(
        self,
        session_id: Optional[str] = None,
        endgrate_type: Optional[str] = None,
        transfer_data: Optional[Sequence[Mapping[str, Any]]] = None,
        *,
        plan_id: Optional[str] = None,
        **members: Any,
    ) -> R:
        """The bare call, to make a plan or to read a page of one; `plan` and `planned` walk over all pages."""
        return self.call("planTransfer", given(members, **_records(session_id, endgrate_type, transfer_data, plan_id)))

    def begin_transfer(self, session_id: str, endgrate_type: str, **members: Any) -> R:
        """The bare call: `{success, transfer_id, parts, duplicate?}`; `push_parts` does all three."""
        return self.call("beginTransfer", given(members, session_id=session_id, endgrate_type=endgrate_type))

    def append_transfer(
        self, transfer_id: str, seq: int, transfer_data: Sequence[Mapping[str, Any]], **members: Any
    ) -> R:
        """Part `seq`, counted from 0 without holes. The same part may be sent again."""
        params = given(members, transfer_id=transfer_id, seq=seq, transfer_data=list(transfer_data))
        return self.call("appendTransfer", params)

    def commit_transfer(self, transfer_id: str, *, parts: Optional[int] = None, **members: Any) -> R:
        """All parts are there: the transfer begins. What `push_transfer` answers."""
        return self.call("commitTransfer", given(members, transfer_id=transfer_id, parts=parts))

    def list_transfers(
        self,
        *,
        session_id: Optional[str] = None,
        endgrate_type: Optional[str] = None,
        state: Optional[str] = None,
        limit: Optional[int] = None,
        offset: Optional[int] = None,
        **members: Any,
    ) -> R:
        """One page, newest first; `transfers` walks over all."""
        params = given(
            members, session_id=session_id, endgrate_type=endgrate_type, state=state, limit=limit, offset=offset
        )
        return self.call("listTransfers", params)

    def cancel_transfer(self, transfer_id: str, **members: Any) -> R:
        """Nothing more of it is sent: `{success, transfer_id, cancelled, state}`."""
        return self.call("cancelTransfer", given(members, transfer_id=transfer_id))

    def retry_transfer(self, transfer_id: str, *, outcomes: Optional[Sequence[str]] = None, **members: Any) -> R:
        """A new transfer of what failed: what `push_transfer` answers, with `retry_of` and `records`."""
        told = None if outcomes is None else list(outcomes)
        return self.call("retryTransfer", given(members, transfer_id=transfer_id, outcomes=told))

    def resolve_record(
        self,
        transfer_id: str,
        resolution: str,
        *,
        index: Optional[int] = None,
        internal_id: Optional[str] = None,
        id: Optional[str] = None,
        **members: Any,
    ) -> R:
        """Says what became of an `uncertain` record, or of all: `{success, resolved, remaining, retry?, …}`."""
        params = given(
            members, transfer_id=transfer_id, resolution=resolution, index=index, internal_id=internal_id, id=id
        )
        return self.call("resolveRecord", params)

    def get_transfer(self, transfer_id: str, **members: Any) -> R:
        return self.call("getTransfer", given(members, transfer_id=transfer_id))

    def get_data(
        self, transfer_id: str, *, limit: Optional[int] = None, offset: Optional[int] = None, **members: Any
    ) -> R:
        """One page of results in the order pushed."""
        return self.call("getData", given(members, transfer_id=transfer_id, limit=limit, offset=offset))

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
        params = given(members, transfer_id=transfer_id, session_id=session_id, limit=limit, offset=offset)
        return self.call("getErrors", params)

    def get_record(
        self,
        transfer_id: Optional[str] = None,
        *,
        session_id: Optional[str] = None,
        endgrate_type: Optional[str] = None,
        index: Optional[int] = None,
        internal_id: Optional[str] = None,
        id: Optional[str] = None,
        **members: Any,
    ) -> R:
        """Explains one record: what became of it, why, and every exchange that was for it.

        It is named by its transfer and one of `index`, `internal_id` and `id`, or by its session, its type and one of
        the ids; then the newest is meant.
        """
        params = given(
            members,
            transfer_id=transfer_id,
            session_id=session_id,
            endgrate_type=endgrate_type,
            index=index,
            internal_id=internal_id,
            id=id,
        )
        return self.call("getRecord", params)

    def get_statistics(
        self, *, transfer_id: Optional[str] = None, session_id: Optional[str] = None, **members: Any
    ) -> R:
        return self.call("getStatistics", given(members, transfer_id=transfer_id, session_id=session_id))

    # -- identities; `import_identities` is in the clients themselves, since it may be several calls --

    def export_identities(
        self,
        session_id: str,
        *,
        endgrate_type: Optional[str] = None,
        limit: Optional[int] = None,
        after: Optional[str] = None,
        **members: Any,
    ) -> R:
        """One page of which provider record each internal id is; `identities` walks over all."""
        params = given(members, session_id=session_id, endgrate_type=endgrate_type, limit=limit, after=after)
        return self.call("exportIdentities", params)

    # -- webhooks --

    def list_webhook_deliveries(
        self,
        *,
        session_id: Optional[str] = None,
        transfer_id: Optional[str] = None,
        state: Optional[str] = None,
        limit: Optional[int] = None,
        after: Optional[str] = None,
        **members: Any,
    ) -> R:
        """One page of the calls of webhooks, newest first; `webhook_deliveries` walks over all."""
        params = given(
            members, session_id=session_id, transfer_id=transfer_id, state=state, limit=limit, after=after
        )
        return self.call("listWebhookDeliveries", params)

    def replay_webhook(
        self,
        delivery_id: Optional[str] = None,
        *,
        session_id: Optional[str] = None,
        transfer_id: Optional[str] = None,
        state: Optional[str] = None,
        after: Optional[str] = None,
        **members: Any,
    ) -> R:
        """One delivery, or those of a session or transfer that were given up, are made again: `{success, replayed,
        next?}`. A call takes up to 1,000; with `next` as `after` it goes on."""
        params = given(
            members,
            delivery_id=delivery_id,
            session_id=session_id,
            transfer_id=transfer_id,
            state=state,
            after=after,
        )
        return self.call("replayWebhook", params)

    # -- events --

    def unsubscribe(self, subscription: str, **members: Any) -> R:
        return self.call("unsubscribe", given(members, subscription=subscription))

    def ack(self, subscription: str, cursor: str, **members: Any) -> R:
        """The bare call; `Subscription.ack` knows both arguments."""
        return self.call("ack", given(members, subscription=subscription, cursor=cursor))

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
        params = given(
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


def _records(
    session_id: Optional[str],
    endgrate_type: Optional[str],
    transfer_data: Optional[Sequence[Mapping[str, Any]]],
    plan_id: Optional[str],
) -> Dict[str, Any]:
    """Records of a session, or those of a plan."""
    records = None if transfer_data is None else list(transfer_data)
    return {"session_id": session_id, "endgrate_type": endgrate_type, "transfer_data": records, "plan_id": plan_id}
