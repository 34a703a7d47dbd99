"""The rest of the methods of the tests' gateway: sessions, plans, parts, what failed, identities, the catalogue."""

import json
from typing import Any, Callable, Dict, List, Set, Tuple

Json = Dict[str, Any]
After = List[Callable[[], None]]


class Fault(Exception):
    """An error for the client."""

    def __init__(self, code: int, name: str, message: str = "", **data: Any) -> None:
        super().__init__(name)
        self.wire = {"code": code, "message": message or name, "data": {"name": name, "retryable": False, **data}}


_NOT_BODY = ("idempotency_key", "progress_token", "synchronous")


class MoreMethods:
    def __init__(self) -> None:
        self.hold = False
        self.sessions: Dict[str, Json] = {}
        self.transfers: Dict[str, Json] = {}
        self.keys: Dict[Tuple[str, str], str] = {}
        self.ids: Dict[Tuple[str, str], str] = {}
        self.plans: Dict[str, Json] = {}
        self.uncertain: Set[int] = set()
        """Indexes of records whose outcome nobody will know, in the transfers that begin from now on."""
        self.page_cut = 1000

    def finish(self, transfer_id: str) -> None:
        raise NotImplementedError

    def place_of_log(self) -> str:
        raise NotImplementedError

    def _page(self, rows: List[Any], params: Json) -> Tuple[List[Any], Json]:
        offset, limit = params.get("offset", 0), min(params.get("limit", 250), self.page_cut)
        meta: Json = {"count": len(rows)}
        if offset + limit < len(rows):
            meta["next"] = {"offset": offset + limit, "link": "getData?offset=%d" % (offset + limit)}
        return rows[offset : offset + limit], meta

    # -- sessions --

    def _session(self, params: Json) -> Json:
        session = self.sessions.get(params["session_id"])
        if session is None:
            raise Fault(1301, "session_not_found", "Invalid or expired session.")
        return session

    def do_updateSession(self, peer: Any, params: Json, after: After) -> Json:
        session = self._session(params)
        changed = [name for name, value in params.items() if name != "session_id" and session.get(name) != value]
        session.update({name: params[name] for name in changed})
        return {"success": True, "session_id": params["session_id"], **({"changed": changed} if changed else {})}

    do_setSchemas = do_updateSession

    def do_getConfiguration(self, peer: Any, params: Json, after: After) -> Json:
        session = self._session(params)
        schemas = {schema["endgrate_type"]: {"schema": schema} for schema in session["schema"]}
        return {"success": True, "session_id": params["session_id"], "schemas": schemas}

    def do_listSessions(self, peer: Any, params: Json, after: After) -> Json:
        rows = [
            {"session_id": name, **({"name": session["name"]} if "name" in session else {})}
            for name, session in self.sessions.items()
        ]
        rows, meta = self._page(rows, params)
        return {"success": True, "meta": meta, "sessions": rows}

    def do_deleteSession(self, peer: Any, params: Json, after: After) -> Json:
        self._session(params)
        del self.sessions[params["session_id"]]
        return {"success": True, "session_id": params["session_id"]}

    # -- transfers --

    def do_pushTransfer(self, peer: Any, params: Json, after: After) -> Json:
        plan = None
        if "plan_id" in params:
            plan = self._plan(params)
            if "transfer_id" in plan:
                return {**self.transfers[plan["transfer_id"]]["answer"], "duplicate": True}
            params = {**plan["params"], **params}
        answer = self._keyed(peer, params, params.get("transfer_data", []), after)
        if plan is not None:
            plan["transfer_id"] = answer["transfer_id"]
        return answer

    def _keyed(self, peer: Any, params: Json, items: List[Json], after: After, **extra: Any) -> Json:
        """A call under its key; `_take` unless it was made before."""
        self._session(params)
        key = (params["session_id"], params.get("idempotency_key", ""))
        body = {name: value for name, value in params.items() if name not in _NOT_BODY}
        body["transfer_data"] = items
        if key[1] and key in self.keys:
            transfer = self.transfers[self.keys[key]]
            if transfer["said"] != body:
                raise Fault(1201, "idempotency_conflict")
            return {**transfer["answer"], "duplicate": True}
        answer = self._take(params["session_id"], body, **extra)
        self.keys[key] = answer["transfer_id"]
        self._start(answer["transfer_id"], peer, params, after)
        return answer

    def _take(self, session: str, body: Json, **extra: Any) -> Json:
        transfer_id = "%024x" % (0x1000 + len(self.transfers))
        uncertain = set(self.uncertain)
        if self.sessions.get(session, {}).get("settings", {}).pop("faults", None):
            uncertain = {0}
        answer = {
            "success": True,
            "transfer_id": transfer_id,
            "statistics": "getStatistics?transfer_id=" + transfer_id,
            "event_cursor": self.place_of_log(),
            **extra,
        }
        self.transfers[transfer_id] = {
            "session": session,
            "body": dict(body),
            "said": body,
            "answer": answer,
            "rows": [],
            "errors": [],
            "completed": False,
            "uncertain": uncertain,
            "token": None,
            **extra,
        }
        return answer

    def _start(self, transfer_id: str, peer: Any, params: Json, after: After) -> None:
        if "progress_token" in params:
            self.transfers[transfer_id]["token"] = (peer, params["progress_token"])
        transfer = self.transfers[transfer_id]
        slow = "latency_ms" in self.sessions.get(transfer["session"], {}).get("settings", {})
        if not self.hold and not slow and "parts" not in transfer:
            after.append(lambda: self.finish(transfer_id))

    def settled(self, transfer: Json) -> None:
        """A retry that wrote a record settles the error of the original."""
        if "retry_of" in transfer and not transfer["errors"]:
            for entry in self.transfers[transfer["retry_of"]]["errors"]:
                entry["resolved"] = True

    def _transfer(self, params: Json) -> Json:
        transfer = self.transfers.get(params["transfer_id"])
        if transfer is None:
            raise Fault(1306, "transfer_not_found")
        found: Json = transfer
        return found

    def _state(self, transfer: Json) -> str:
        return "completed" if transfer["completed"] else "open" if "parts" in transfer else "running"

    def _told(self, transfer_id: str) -> Json:
        transfer = self.transfers[transfer_id]
        told = {
            "success": True,
            "transfer_id": transfer_id,
            "session_id": transfer["session"],
            "endgrate_type": transfer["body"]["endgrate_type"],
            "state": self._state(transfer),
            "records": len(transfer["body"]["transfer_data"]),
        }
        if "parts" in transfer:
            told["parts"] = len(transfer["parts"])
        told.update({name: transfer[name] for name in ("cancelled", "retry_of") if name in transfer})
        return told

    def do_getTransfer(self, peer: Any, params: Json, after: After) -> Json:
        self._transfer(params)
        return self._told(params["transfer_id"])

    def do_listTransfers(self, peer: Any, params: Json, after: After) -> Json:
        rows = [self._told(name) for name in reversed(list(self.transfers))]
        for name in ("session_id", "endgrate_type", "state"):
            rows = [row for row in rows if params.get(name, row[name]) == row[name]]
        rows, meta = self._page(rows, params)
        return {"success": True, "meta": meta, "transfers": rows}

    # -- what failed, and what should not go on --

    def do_cancelTransfer(self, peer: Any, params: Json, after: After) -> Json:
        transfer = self._transfer(params)
        answer = {"success": True, "transfer_id": params["transfer_id"], "state": "completed"}
        if self._state(transfer) == "completed":
            return {**answer, "cancelled": transfer.get("cancelled", False)}
        if self._state(transfer) == "open":
            del self.transfers[params["transfer_id"]]
            return {**answer, "cancelled": True}
        transfer["cancelled"] = True
        after.append(lambda: self.finish(params["transfer_id"]))
        return {**answer, "cancelled": True, "state": "running"}

    def do_retryTransfer(self, peer: Any, params: Json, after: After) -> Json:
        transfer = self._transfer(params)
        if not transfer["completed"]:
            raise Fault(1307, "transfer_not_completed", retryable=True)
        outcomes = params.get("outcomes", ["refused", "unsent"])
        records = [
            record
            for record, row in zip(transfer["body"]["transfer_data"], transfer["rows"])
            if row["outcome"] in outcomes
        ]
        call = {"session_id": transfer["session"], "endgrate_type": transfer["body"]["endgrate_type"], **params}
        return self._keyed(peer, call, records, after, retry_of=params["transfer_id"], records=len(records))

    def do_resolveRecord(self, peer: Any, params: Json, after: After) -> Json:
        transfer = self._transfer(params)
        named = [
            index
            for index, row in enumerate(transfer["rows"])
            if row["outcome"] == "uncertain"
            and params.get("index", index) == index
            and params.get("internal_id", row.get("internal_id")) == row.get("internal_id")
        ]
        if not named and ("index" in params or "internal_id" in params):
            raise Fault(1311, "record_not_found")
        outcome = {"written": "updated", "not_written": "refused", "push_again": "refused"}[params["resolution"]]
        answer: Json = {"success": True, "transfer_id": params["transfer_id"], "resolved": len(named)}
        for index in named:
            transfer["rows"][index].update(id=params.get("id"), outcome=outcome)
        if named and params["resolution"] == "push_again":
            records = [transfer["body"]["transfer_data"][index] for index in named]
            body = {**transfer["body"], "transfer_data": records}
            self.uncertain.clear()
            answer["retry"] = self._take(transfer["session"], body)["transfer_id"]
            self._start(answer["retry"], peer, {}, after)
        answer["remaining"] = sum(row["outcome"] == "uncertain" for row in transfer["rows"])
        return answer

    def do_getRecord(self, peer: Any, params: Json, after: After) -> Json:
        transfer = self._transfer(params)
        for index, row in enumerate(transfer["rows"]):
            if params.get("index", index) == index and params.get("internal_id") in (None, row.get("internal_id")):
                record = {"index": index, "state": "finished", "result": row}
                return {"success": True, "transfer_id": params["transfer_id"], "record": record}
        raise Fault(1311, "record_not_found")

    # -- parts --

    def do_beginTransfer(self, peer: Any, params: Json, after: After) -> Json:
        answer = self._keyed(peer, params, [], after, parts=[])
        parts = self.transfers[answer["transfer_id"]].get("parts", [])
        duplicate = {"duplicate": True} if "duplicate" in answer else {}
        return {"success": True, "transfer_id": answer["transfer_id"], "parts": len(parts), **duplicate}

    def do_appendTransfer(self, peer: Any, params: Json, after: After) -> Json:
        transfer, seq = self._transfer(params), params["seq"]
        parts = transfer.get("parts", transfer.get("committed"))
        if parts is None or seq > len(parts) or (seq == len(parts) and "parts" not in transfer):
            raise Fault(-32602, "invalid_params")
        answer = {"success": True, "transfer_id": params["transfer_id"], "seq": seq}
        if seq < len(parts):
            if parts[seq] != params["transfer_data"]:
                raise Fault(1202, "part_conflict")
            return {**answer, "records": sum(map(len, parts)), "duplicate": True}
        parts.append(params["transfer_data"])
        return {**answer, "records": sum(map(len, parts))}

    def do_commitTransfer(self, peer: Any, params: Json, after: After) -> Json:
        transfer = self._transfer(params)
        answer = {name: value for name, value in transfer["answer"].items() if name != "parts"}
        if "parts" not in transfer:
            return {**answer, "duplicate": True}
        if params.get("parts", len(transfer["parts"])) != len(transfer["parts"]):
            raise Fault(-32602, "invalid_params")
        transfer["committed"] = transfer.pop("parts")
        transfer["body"]["transfer_data"] = [record for part in transfer["committed"] for record in part]
        self._start(params["transfer_id"], peer, params, after)
        return answer

    # -- plans --

    def _plan(self, params: Json) -> Json:
        if params["plan_id"] not in self.plans:
            raise Fault(1312, "plan_not_found")
        return self.plans[params["plan_id"]]

    def do_planTransfer(self, peer: Any, params: Json, after: After) -> Json:
        plan_id = params.get("plan_id")
        if plan_id is None:
            self._session(params)
            plan_id = "%024x" % (0x2000 + len(self.plans))
            known = {name for name in params if name not in ("limit", "offset")}
            self.plans[plan_id] = {"params": {name: params[name] for name in known}}
        plan = self._plan({"plan_id": plan_id})
        rows = [self._planned(index, plan["params"]) for index in range(len(plan["params"]["transfer_data"]))]
        summary = {name: 0 for name in ("create", "update", "unchanged", "ambiguous", "invalid")}
        for row in rows:
            summary[row["action"]] += 1
        rows, meta = self._page(rows, params)
        answer = {"success": True, "plan_id": plan_id, "expires_at": "2025-01-01T01:00:00.000Z", "meta": meta}
        return {**answer, "records": rows, "summary": summary, "calls": 2, "calls_by_resource": [], "seconds": 0.012}

    def _planned(self, index: int, params: Json) -> Json:
        record = params["transfer_data"][index]
        row: Json = {"index": index, "action": "create"}
        if "internal_id" in record:
            row["internal_id"] = record["internal_id"]
            known = self.ids.get((params["endgrate_type"], record["internal_id"]))
            if known is not None:
                row.update(action="update", id=known, diff=[])
        return row

    # -- identities --

    def do_listWebhookDeliveries(self, peer: Any, params: Json, after: After) -> Json:
        rows = [
            {"delivery_id": "d-" + name, "session_id": transfer["session"], "transfer_id": name, "webhook": "completed",
             "endpoint": transfer["body"]["completed_webhook"]["endpoint"], "state": "pending", "attempts": 0}
            for name, transfer in reversed(list(self.transfers.items()))
            if transfer["body"].get("completed_webhook")
        ]  # fmt: skip
        for name in ("session_id", "transfer_id", "state"):
            rows = [row for row in rows if params.get(name, row[name]) == row[name]]
        start = int(params.get("after", "0"))
        past = start + min(params.get("limit", 250), self.page_cut)
        following = {"next": str(past)} if past < len(rows) else {}
        return {"success": True, "deliveries": rows[start:past], **following}

    def do_replayWebhook(self, peer: Any, params: Json, after: After) -> Json:
        return {"success": True, "replayed": 1}

    def do_exportIdentities(self, peer: Any, params: Json, after: After) -> Json:
        self._session(params)
        kind, start = params.get("endgrate_type"), json.loads(params.get("after", "[]"))
        keys = [key for key in sorted(self.ids) if key[0] == (kind or key[0]) and list(key) > start]
        limit = min(params.get("limit", 1000), self.page_cut)
        rows = [
            {
                "endgrate_type": key[0],
                "internal_id": key[1],
                "id": self.ids[key],
                "confirmed_at": "2025-01-01T00:00:00Z",
            }
            for key in keys[:limit]
        ]
        following = {"next": json.dumps(list(keys[limit - 1]))} if len(keys) > limit else {}
        return {"success": True, "identities": rows, **following}

    def do_importIdentities(self, peer: Any, params: Json, after: After) -> Json:
        self._session(params)
        answer: Json = {"success": True, "imported": 0, "unchanged": 0, "conflicts": [], "conflicts_total": 0}
        policy, pairs = params.get("on_conflict", "error"), params["identities"]
        known = [self.ids.get((params["endgrate_type"], pair["internal_id"])) for pair in pairs]
        if policy == "error" and any(old not in (None, pair["id"]) for old, pair in zip(known, pairs)):
            raise Fault(-32602, "invalid_params")
        for old, pair in zip(known, pairs):
            if old == pair["id"]:
                answer["unchanged"] += 1
                continue
            if old is not None:
                answer["conflicts"].append({**pair, "known_id": old})
                answer["conflicts_total"] += 1
            if old is None or policy == "replace":
                self.ids[(params["endgrate_type"], pair["internal_id"])] = pair["id"]
                answer["imported"] += 1
        return answer

    # -- catalogue and control --

    def do_getIntegrations(self, peer: Any, params: Json, after: After) -> Json:
        return {"providers": [{"provider": {"name": "hubspot"}}, {"provider": {"name": "local"}}]}

    def do_getTypes(self, peer: Any, params: Json, after: After) -> Json:
        return {"types": [{"endgrate_type": "crm-contact"}]}

    def do_health(self, peer: Any, params: Json, after: After) -> Json:
        return {"live": True, "ready": True, "checks": []}

    def do_stats(self, peer: Any, params: Json, after: After) -> Json:
        return {"connections": 1}

    def do_drain(self, peer: Any, params: Json, after: After) -> Json:
        return {"success": True}

    def do_rpc_discover(self, peer: Any, params: Json, after: After) -> Json:
        return {"openrpc": "1.3.2", "methods": []}
