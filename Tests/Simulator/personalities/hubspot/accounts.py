"""Who a token is for: account information, OAuth tokens and their introspection.

Sources: account information API (details, daily use of private apps), OAuth token API (token, introspect, the older
`/oauth/v1/access-tokens/{token}`), private app token info. Refreshing does not rotate the refresh token unless the
plan says so (`rotates`): the vendor does not document rotation.
"""

import secrets
from urllib.parse import parse_qs

from simulator.clock import iso
from simulator.exchange import Answer

from .answers import VendorError
from .portals import Token

LIFE_S = 1800


def offset_text(milliseconds: int) -> str:
    minutes = abs(milliseconds) // 60_000
    return f"{'-' if milliseconds < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"


def details(call) -> Answer:
    settings = call.portal.settings
    return Answer(200, {
        "portalId": call.portal.id, "accountType": "STANDARD", "timeZone": settings["time_zone"],
        "companyCurrency": settings["currency"], "additionalCurrencies": [],
        "utcOffset": offset_text(settings["utc_offset_ms"]), "utcOffsetMilliseconds": settings["utc_offset_ms"],
        "uiDomain": "app.hubspot.com", "dataHostingLocation": "na1"})


def daily_use(call) -> Answer:
    budget = call.portal.daily
    offset = call.portal.settings["utc_offset_ms"]
    midnight = ((call.now + offset) // 86_400_000 + 1) * 86_400_000 - offset
    return Answer(200, {"results": [{
        "name": "private-apps-api-calls-daily", "usageLimit": budget.limit, "currentUsage": budget.used(call.now),
        "collectedAt": iso(call.now), "fetchStatus": "SUCCESS", "resetsAt": iso(midnight)}]})


def me(call) -> Answer:
    settings = call.portal.settings
    return Answer(200, {"portalId": call.portal.id, "timeZone": settings["time_zone"], "currency": settings["currency"],
                        "utcOffsetMilliseconds": settings["utc_offset_ms"],
                        "utcOffset": offset_text(settings["utc_offset_ms"])})


def form_of(call) -> dict:
    """The form body of an OAuth call (`application/x-www-form-urlencoded`)."""
    return {name: values[-1] for name, values in parse_qs(call.request.body.decode("utf-8", "replace")).items()}


def oauth_error(status: int, name: str, text: str) -> VendorError:
    return VendorError(status, text, name, error=name.lower(), error_description=text)


def token(call) -> Answer:
    """`grant_type=refresh_token` only: the flow with a browser is not simulated."""
    form, portals = form_of(call), call.personality.portals
    if form.get("grant_type") != "refresh_token":
        raise oauth_error(400, "UNSUPPORTED_GRANT_TYPE", "only refresh_token is simulated")
    if portals.clients.get(form.get("client_id")) != form.get("client_secret") or not form.get("client_id"):
        raise oauth_error(400, "BAD_CLIENT_ID", "missing or unknown client id or secret")
    grant = portals.refresh_tokens.get(form.get("refresh_token"))
    if grant is None or grant.get("revoked") or grant["client_id"] != form["client_id"]:
        raise oauth_error(400, "BAD_REFRESH_TOKEN", "missing or invalid refresh token")
    call.commit.begin_input()
    refresh = form["refresh_token"]
    if grant.get("rotates"):
        del portals.refresh_tokens[refresh]
        refresh = f"na1-{secrets.token_hex(8)}"
        portals.refresh_tokens[refresh] = grant
    life = int(grant.get("life_s", LIFE_S))
    made = Token(f"CO{secrets.token_urlsafe(40)}", grant["portal"], "oauth", grant.get("scopes"),
                 call.now + life * 1000, app=int(grant.get("app", 7000)))
    portals.add_token(made)
    call.commit.note("token_made", object="oauth", id=str(grant["portal"]))
    return Answer(200, {"token_type": "bearer", "refresh_token": refresh, "access_token": made.value,
                        "expires_in": life, "hub_id": grant["portal"], "scopes": grant.get("scopes") or ["oauth"]})


def described(call, made) -> dict:
    left = LIFE_S if made.expires_at is None else max(0, (made.expires_at - call.now) // 1000)
    return {"hub_id": made.portal, "app_id": made.app, "user_id": 1, "scopes": made.scopes or ["oauth"],
            "expires_in": left, "hub_domain": f"portal-{made.portal}.example", "user": "owner@example.com"}


def introspect(call) -> Answer:
    """Active or not, with what is known of the token when the client is the one that it belongs to."""
    form, portals = form_of(call), call.personality.portals
    if portals.clients.get(form.get("client_id")) != form.get("client_secret") or not form.get("client_id"):
        raise oauth_error(400, "BAD_CLIENT_ID", "missing or unknown client id or secret")
    made = portals.tokens.get(form.get("token"))
    if made is not None and call.personality.valid(made, call.now):
        return Answer(200, {"active": True, "token_use": "access_token", "client_id": form["client_id"],
                            **described(call, made)})
    grant = portals.refresh_tokens.get(form.get("token"))
    if grant is not None and not grant.get("revoked"):
        return Answer(200, {"active": True, "token_use": "refresh_token", "client_id": form["client_id"],
                            "hub_id": grant["portal"], "scopes": grant.get("scopes") or ["oauth"]})
    return Answer(200, {"active": False})


def access_token(call) -> Answer:
    made = call.personality.portals.tokens.get(call.names["token"])
    if made is None or not call.personality.valid(made, call.now):
        raise VendorError(404, "the access token was not found", "OBJECT_NOT_FOUND")
    return Answer(200, {"token": made.value, "token_type": "access", **described(call, made)})


def refresh_token(call) -> Answer:
    grant = call.personality.portals.refresh_tokens.get(call.names["token"])
    if grant is None or grant.get("revoked"):
        raise VendorError(404, "the refresh token was not found", "OBJECT_NOT_FOUND")
    return Answer(200, {"token": call.names["token"], "token_type": "refresh", "client_id": grant["client_id"],
                        "hub_id": grant["portal"], "user_id": 1, "scopes": grant.get("scopes") or ["oauth"]})


def private_info(call) -> Answer:
    """What a private app's or a service key's own token is for."""
    made = call.personality.portals.tokens.get(str(call.object().get("tokenKey")))
    if made is None or made.kind != "private" or not call.personality.valid(made, call.now):
        raise VendorError(404, "the token was not found", "OBJECT_NOT_FOUND")
    return Answer(200, {"userId": 1, "hubId": made.portal, "appId": made.app, "scopes": made.scopes or ["oauth"]})
