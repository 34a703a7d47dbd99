"""The control port: a second HTTP/1.1 port on loopback, never the API's. Tests read the truth and set the stage here.

GET  /state ?portal= &object=        living records, values, links
GET  /effects ?since=N &portal=      log entries after number N
GET  /requests ?since=N &portal=     requests with operation, fault and true status
GET  /report ?portal=                meters (use, peak, refused), counts by operation, discouraged habits, late commits
GET  /faults    POST /faults {rules, replace?}    DELETE /faults ?portal= (only rules that match this one)
POST /clock {offset_ms | advance_ms}
POST /meters/reset {portal?}
POST /portals {id, tokens, settings, …}           POST /settings {portal, settings}
POST /tokens {value, revoked?, expires_at?}
POST /upstream/create|update|delete|merge {portal, object, id | primary + merged, properties}
POST /clear {portal?}                forgets records and links (the log stays)
POST /listening {open}               closes or opens the API's port
"""

import asyncio
import json
from collections import Counter

from .exchange import Answer
from .server import BadRequest, read_request


class Control:
    """Answers the control port of one server."""

    def __init__(self, server, upstream):
        self.server = server
        self.upstream = upstream
        self.port = None

    async def start(self, port: int):
        listener = await asyncio.start_server(self.serve, "127.0.0.1", port, limit=65_536)
        self.port = listener.sockets[0].getsockname()[1]

    async def serve(self, reader, writer):
        try:
            while (request := await read_request(reader, writer, 0)) is not None:
                answer = await self.answer(request)
                body = answer.plain()
                writer.write(answer.head(body, {}) + body)
                await writer.drain()
        except (BadRequest, ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def answer(self, request) -> Answer:
        try:
            source = json.loads(request.body) if request.body else {}
            found = await self.act(request, source)
            return Answer(200, found if found is not None else {"ok": True})
        except LookupError as error:
            return Answer(404, {"error": str(error)})
        except Exception as error:  # whatever a test sent wrongly is told to the test, and the simulator goes on
            return Answer(400, {"error": f"{type(error).__name__}: {error}"})

    async def act(self, request, source: dict):
        server, personality = self.server, self.server.personality
        name = (request.method, request.path)
        since = int(request.argument("since", "0"))
        portal = request.argument("portal")
        wanted = None if portal is None else int(portal)

        def of_portal(entries):
            return [entry for entry in entries if wanted is None or entry["portal"] == wanted]

        if name == ("GET", "/state"):
            return self.upstream.state(portal, request.argument("object"))
        if name == ("GET", "/effects"):
            return of_portal(server.effects.entries[since:])
        if name == ("GET", "/requests"):
            return of_portal(entry for entry in server.journal.entries if entry["n"] > since)
        if name == ("GET", "/report"):
            return self.report(wanted)
        if request.path == "/faults":
            return self.faults(request.method, source, wanted)
        if name == ("POST", "/clock"):
            server.clock.offset_ms = int(source.get("offset_ms", server.clock.offset_ms)) + int(source.get("advance_ms", 0))
            return {"offset_ms": server.clock.offset_ms, "now": server.clock.now()}
        if name == ("POST", "/listening"):
            return await server.listen() if source.get("open", True) else server.deafen()
        if request.method == "POST" and request.path.startswith("/upstream/"):
            return self.upstream.act(request.path.rpartition("/")[2], source)
        if request.method == "POST" and request.path in ("/portals", "/settings", "/tokens", "/clear", "/meters/reset"):
            return self.change(request.path, source, personality)
        raise LookupError("no such control call")

    def faults(self, method: str, source: dict, portal=None):
        plan = self.server.faults
        if method == "DELETE":
            plan.clear(portal)
        elif method == "POST":
            kept = plan.rules
            if source.get("replace"):
                plan.clear()
            try:
                plan.add(source.get("rules", []))
            except Exception:
                plan.rules = kept
                raise
        return {"rules": plan.report()}

    def change(self, path: str, source: dict, personality):
        portals = personality.portals
        if path == "/portals":
            return {"id": personality.add_portal(source).id}
        if path == "/tokens":
            token = portals.tokens[source["value"]]
            token.revoked = bool(source.get("revoked", token.revoked))
            token.expires_at = source.get("expires_at", token.expires_at)
            return None
        chosen = [portals.portals[int(source["portal"])]] if "portal" in source else list(portals.portals.values())
        for portal in chosen:
            if path == "/settings":
                portals.change(portal, source.get("settings", {}))
            elif path == "/clear":
                portal.clear()
            else:
                for meter in portal.meters().values():
                    meter.reset()
                for token in portals.tokens.values():
                    if token.portal == portal.id:
                        token.burst.reset()
                        token.association_burst.reset()
        return None

    def report(self, wanted=None) -> dict:
        """Of every portal, or of one: `mishaps`, which are the simulator's own, are always all."""
        server, portals = self.server, self.server.personality.portals
        now = server.clock.now()
        requests = [entry for entry in server.journal.entries if wanted is None or entry["portal"] == wanted]
        meters = {str(portal.id): {name: meter.report(now) for name, meter in portal.meters().items()}
                  for portal in portals.portals.values() if wanted in (None, portal.id)}
        for token in portals.tokens.values():
            if wanted not in (None, token.portal):
                continue
            known = meters[str(token.portal)].setdefault("bursts", [])
            known.append({"kind": token.kind, **token.burst.report(now)})
        calls = Counter(entry["op"] for entry in requests)
        refused = sum(1 for entry in requests if entry["status"] == 429 and entry["fault"] is None)
        discouraged = {habit: count for habit, count in server.personality.discouraged.items()
                       if wanted is None or habit.startswith(f"{wanted}/")}
        pending = sum(1 for portal in server.pending.values() if wanted in (None, portal))
        return {"meters": meters, "calls": dict(sorted(calls.items(), key=lambda pair: str(pair[0]))),
                "requests": len(requests), "rate_refusals": refused,
                "discouraged": discouraged, "late_commits_pending": pending,
                "effects": len(server.effects.entries), "mishaps": server.mishaps, "now": now}
