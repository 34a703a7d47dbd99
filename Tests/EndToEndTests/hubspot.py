#!/usr/bin/env python3
"""Every sentence of what a push means, through HTTP, at a simulated HubSpot: its log of what was really committed is
what the results are held against.

    hubspot.py [SCENE …]
"""

import json
import sys

from hubspot_house import SCHEMAS, Account, House, Wrong, expect, same
from peer import Missing, Refused

CONTACT, COMPANY, DEAL = (entry["endgrate_type"] for entry in SCHEMAS)


def person(name, **members):
    """An item with an internal id and an e-mail of that name."""
    data = {"first_name": name.title(), "last_name": "Muster", "email": name + "@example.org", **members.pop("data", {})}
    return {"internal_id": name, "data": data, **members}


def published_page(house, peer):
    """Contacts, their companies and deals: ids in the order pushed, links exactly those that were meant."""
    account = Account(house, peer)
    rows = account.push(CONTACT, [
        {"internal_id": "Contact1", "data": {"first_name": "Bob", "last_name": "Smith", "email": "bob@acme.com"},
         "associations": {COMPANY: [
             {"internal_id": "Company1", "data": {"name": "Acme Corporation", "domain": "acme.com"}},
             {"internal_id": "Company2", "data": {"name": "Bacme Corporation"}}]}},
        {"internal_id": "Contact2", "data": {"first_name": "David", "last_name": "Jones", "phone": "+1 555 123 4567"},
         "associations": {COMPANY: [{"internal_id": "Company3", "data": {"name": "C Inc."}}],
                          DEAL: [{"internal_id": "Deal1", "data": {
                              "name": "Big", "stage": "qualifiedtobuy", "amount": 12.25, "close_date": "2026-03-01"},
                              "associations": {COMPANY: [{"internal_id": "Company1"}]}}]}}])
    same([row["internal_id"] for row in rows], ["Contact1", "Contact2"], "order")
    same([row["outcome"] for row in rows], ["created", "created"], "outcomes")
    made = {tuple(sorted(entry["keys"].items())): entry["id"] for entry in account.effects("created")}
    same(len(account.effects("created")), 6, "records made")
    same(rows[0]["id"], made[(("email", "bob@acme.com"), ("firstname", "Bob"), ("lastname", "Smith"))], "Bob's id")
    names = {values["name"]: identity for identity, values in account.state("companies").items()}
    companies = [names["Acme Corporation"], names["Bacme Corporation"]]
    same(rows[0]["associations"][COMPANY], companies, "Bob's companies")
    same(account.links("contacts", rows[0]["id"], "companies"), sorted(companies), "Bob's links")
    same(account.links("contacts", rows[1]["id"], "companies"), [names["C Inc."]], "David's links")
    (deal, values), = account.state("deals").items()
    same((values["dealname"], values["amount"], values["closedate"]), ("Big", "12.25", "2026-03-01T00:00:00Z"), "deal")
    same(account.links("contacts", rows[1]["id"], "deals"), [deal], "David's deals")
    same(account.links("deals", deal, "companies"), [names["Acme Corporation"]], "the deal's company")
    same(len(account.effects("linked")), 5, "links made")


def whole_data(house, peer):
    """Returned data is the whole record, also of an update that sent one field."""
    account = Account(house, peer)
    first, = account.push(CONTACT, [person("ann", data={"phone": "+49 30 1234567", "city": "Berlin"})])
    row, = account.push(CONTACT, [{"internal_id": "ann", "data": {"city": "Bern"}}])
    same((row["outcome"], row["id"]), ("updated", first["id"]), "update by internal id")
    values = row["data"]["properties"]
    same([values[name] for name in ("email", "city", "phone")], ["ann@example.org", "Bern", "+49 30 1234567"], "data")
    same(account.effects("updated")[-1]["changed"], ["city"], "what was written")


def by_id(house, peer):
    account = Account(house, peer)
    known = account.upstream("create", object="contacts", properties={"email": "x@example.org", "city": "Rome"})["id"]
    row, = account.push(CONTACT, [{"id": known, "internal_id": "x", "data": {"city": "Paris"}}])
    same((row["id"], row["outcome"]), (known, "updated"), "update by id")
    row, = account.push(CONTACT, [{"internal_id": "x", "data": {"city": "Oslo"}}])
    same((row["id"], account.state("contacts")[known]["city"]), (known, "Oslo"), "what id taught")
    row, = account.push(CONTACT, [{"id": "999", "data": {"city": "Paris"}}])
    same((row["id"], row["data"]), (None, {}), "unknown id")
    same([error["error_type"] for error in account.errors()], ["upstream"], "unknown id")
    same(len(account.state("contacts")), 1, "an unknown id makes no record")


def contact_keys(house, peer):
    """E-mail, then phone, then full name; a name never overrules a differing e-mail."""
    account = Account(house, peer)
    made = {name: account.upstream("create", object="contacts", properties=values)["id"] for name, values in {
        "mail": {"email": "one@example.org", "firstname": "One"},
        "phone": {"phone": "(555) 123-4567", "firstname": "Two"},
        "name": {"firstname": "Anna Maria", "lastname": "van den Berg"},
        "other": {"firstname": "Carl", "lastname": "Clone", "email": "carl@example.org"}}.items()}
    rows = account.push(CONTACT, [
        {"data": {"email": "ONE@example.org", "city": "A"}},
        {"data": {"phone": "5551234567", "city": "B"}},
        {"data": {"first_name": "anna maria", "last_name": "Van Den Berg", "city": "C"}},
        {"data": {"first_name": "Carl", "last_name": "Clone", "email": "another@example.org"}}])
    same([row["id"] for row in rows[:3]], [made["mail"], made["phone"], made["name"]], "matches")
    same([row["outcome"] for row in rows], ["updated"] * 3 + ["created"], "outcomes")
    same([account.state("contacts")[row["id"]]["city"] for row in rows[:3]], ["A", "B", "C"], "values")
    same(len(account.effects("created")), 5, "records made")


def second_address(house, peer):
    """A contact is found by an additional address, and by the id of a record that was merged into it."""
    account = Account(house, peer)
    rows = account.push(CONTACT, [person("old"), person("new"), person("third")])
    old, new = rows[0]["id"], rows[1]["id"]
    account.upstream("merge", object="contacts", primary=new, merged=old)
    rows = account.push(CONTACT, [
        {"data": {"email": "old@example.org", "city": "A"}}, person("third", data={"city": "D"})])
    same(rows[0]["id"], new, "by the additional address")
    rows = account.push(CONTACT, [
        {"id": old, "data": {"city": "B"}}, {"internal_id": "third", "data": {"city": "E"}}])
    same(rows[0]["id"], new, "by the id of the merged record")
    rows = account.push(CONTACT, [{"internal_id": "old", "data": {"city": "C"}}])
    same((rows[0]["id"], account.state("contacts")[new]["city"]), (new, "C"), "by the internal id of the merged record")
    same(len(account.effects("created")), 3, "records made")


def company_keys(house, peer):
    account = Account(house, peer)
    made = [account.upstream("create", object="companies", properties=values)["id"] for values in (
        {"name": "Acme", "domain": "acme.com"}, {"name": "Bacme Ltd"}, {"name": "Cacme", "domain": "cacme.com"})]
    rows = account.push(COMPANY, [
        {"data": {"name": "ACME Worldwide", "domain": "https://www.acme.com/about"}},
        {"data": {"name": "bacme  ltd", "phone": "1"}},
        {"data": {"name": "Cacme", "domain": "cacme.org"}}])
    same([row["id"] for row in rows[:2]], made[:2], "by domain, by name")
    same([row["outcome"] for row in rows], ["updated", "updated", "created"], "outcomes")


def ambiguous(house, peer):
    account = Account(house, peer)
    made = sorted(account.upstream("create", object="companies", properties={"name": "Twin"})["id"] for _ in range(2))
    row, = account.push(COMPANY, [{"data": {"name": "Twin", "phone": "1"}}])
    error, = account.errors()
    same((row["id"], error["error_type"]), (None, "transfer_data"), "ambiguous")
    expect(all(identity in error["error_resolve_text"] for identity in made), "the candidates are not named")
    same(account.effects("updated"), [], "updates")


def without_upsert(house, peer):
    """`disable_upsert` never looks for a match: the vendor may refuse what is then there twice."""
    account = Account(house, peer)
    account.upstream("create", object="companies", properties={"name": "Acme", "domain": "acme.com"})
    account.upstream("create", object="contacts", properties={"email": "ann@example.org"})
    row, = account.push(COMPANY, [{"data": {"name": "Acme", "domain": "acme.com"}}], disable_upsert=True)
    same(row["outcome"], "created", "a second company")
    rows = account.push(CONTACT, [person("ann"), person("bea")], disable_upsert=True)
    same([row["outcome"] for row in rows], ["refused", "created"], "an e-mail that is taken")
    error, = account.errors()
    same((error["error_type"], error["index"]), ("upstream", 0), "an e-mail that is taken")
    expect("already exists" in error["error_resolve_text"], "the vendor's words are lost")


def empty_data(house, peer):
    """`{}` of a known record writes nothing and links; of an unknown one it is an error."""
    account = Account(house, peer)
    account.push(COMPANY, [{"internal_id": "c", "data": {"name": "Acme"}}])
    account.push(CONTACT, [person("ann")])
    row, = account.push(CONTACT, [{"internal_id": "ann", "data": {}, "associations": {COMPANY: [{"internal_id": "c"}]}}])
    company, = account.state("companies")
    same(row["associations"][COMPANY], [company], "associations")
    same(account.links("contacts", row["id"], "companies"), [company], "links")
    same(row["data"]["properties"]["email"], "ann@example.org", "data")
    same(account.effects("updated"), [], "updates")
    row, = account.push(CONTACT, [{"internal_id": "nobody", "data": {}}])
    same((row["id"], row["data"]), (None, {}), "an unknown record")


def forms(house, peer):
    """`method: push` returns what the vendor returned, `push+pull` the session's own schema."""
    account = Account(house, peer, properties={"contacts": [
        {"name": "seats", "label": "Seats", "type": "number", "fieldType": "number",
         "groupName": "contactinformation"}]})
    schema = [{"endgrate_type": CONTACT, "title": "People", "type": "object", "properties": {
        "Given": {"type": "string", "title": "First name"}, "Mail": {"type": "string", "title": "E-mail"},
        "seats": {"type": "number"}}}]
    items = [{"internal_id": "f", "data": {"Given": "Fay", "Mail": "fay@example.org", "seats": 4}}]
    session = account.open("forms", schema=schema, method="push+pull", passthrough_fields=False)
    row, = account.push("People", items, session)
    same(row["data"], {"Given": "Fay", "Mail": "fay@example.org", "seats": 4}, "schema form")
    session = account.open("raw", schema=schema, method="push", passthrough_fields=False)
    row, = account.push("People", items, session)
    values = row["data"]["properties"]
    same((values["firstname"], values["email"], values["seats"]), ("Fay", "fay@example.org", "4"), "raw form")
    same(row["outcome"], "unchanged", "a number that the vendor keeps as text")


def clearing(house, peer):
    """Absent is not touched, null clears, a value is written."""
    account = Account(house, peer)
    account.push(CONTACT, [person("ann", data={"city": "Rome", "zip": "00100", "state": None})])
    row, = account.push(CONTACT, [{"internal_id": "ann", "data": {"city": None, "country": "IT"}}])
    values = account.state("contacts")[row["id"]]
    same([values.get(name) for name in ("city", "zip", "country")], [None, "00100", "IT"], "values")
    row, = account.push(CONTACT, [{"internal_id": "ann", "data": {"city": None}}])
    same(row["outcome"], "unchanged", "clearing what is empty")


def unchanged(house, peer):
    """What is there already is read and not written; under the ledger it costs no call at all."""
    account = Account(house, peer)
    items = [person("p%d" % number, data={"phone": "+1 555 000 %04d" % number}) for number in range(30)]
    account.push(CONTACT, items)
    before = len(account.effects())
    rows = account.push(CONTACT, items)
    same({row["outcome"] for row in rows}, {"unchanged"}, "outcomes")
    same(len(account.effects()), before, "effects")
    session = account.open("thrifty", freshness="ledger")
    account.push(CONTACT, items, session)
    calls = len(account.calls())
    rows = account.push(CONTACT, items, session)
    same({row["outcome"] for row in rows}, {"unchanged"}, "outcomes under the ledger")
    same(len(account.calls()), calls, "calls under the ledger")


def bad_record(house, peer):
    """One that the vendor refuses does not sink the others of its batch."""
    account = Account(house, peer)
    rows = account.push(CONTACT, [person("ann"), person("bad", data={"lifecyclestage": "nonsense"}), person("cat")])
    same([row["outcome"] for row in rows], ["created", "refused", "created"], "outcomes")
    error, = account.errors()
    same((error["index"], error["internal_id"], error["error_type"]), (1, "bad", "upstream"), "error")
    expect("lifecyclestage" in error["error_resolve_text"], "the vendor's words are lost")


def many(house, peer):
    """Batches whose results come in any order, with and without the trace: ids are those of the log, in order."""
    for settings in ({}, {"echo_trace_id": False}):
        account = Account(house, peer, settings)
        items = [person("m%03d" % number) for number in range(250)]
        for item in items:
            item["associations"] = {COMPANY: [{"internal_id": "co" + item["internal_id"][2:], "data": {
                "name": "Company %s" % item["internal_id"][2:], "domain": "c%s.example" % item["internal_id"][2:]}}]}
        rows = account.push(CONTACT, items)
        made = {entry["keys"]["email"]: entry["id"] for entry in account.effects("created") if entry["object"] == "contacts"}
        same([row["id"] for row in rows], [made[item["data"]["email"]] for item in items], "ids")
        domains = {entry["keys"]["domain"]: entry["id"] for entry in account.effects("created")
                   if entry["object"] == "companies"}
        for row, item in zip(rows, items):
            wanted = [domains["c%s.example" % item["internal_id"][2:]]]
            same(row["associations"][COMPANY], wanted, "associations")
        same(len(account.effects("linked")), 250, "links")


def counted(account, peer, items, kind=CONTACT, session=None, **members):
    """Plans, applies, and holds the calls that the vendor saw against those that the plan said."""
    plan = peer.call("planTransfer", {"session_id": session or account.session, "endgrate_type": kind,
                                      "transfer_data": items, **members})
    before = len(account.calls())
    rows = account.rows(peer.call("pushTransfer", plan_id=plan["plan_id"])["transfer_id"])
    seen = account.calls()[before:]
    same(len(seen), plan["calls"], "calls that the plan said, of %s" % [name for name, _ in seen])
    return rows, [name for name, _ in seen], plan


def planned_calls(house, peer):
    """A plan counts the calls that applying it takes; a record is searched for by a weaker key only if no stronger one
    has settled who it is."""
    account = Account(house, peer)
    items = [person("p%03d" % number) for number in range(250)]
    for item in items:
        number = int(item["internal_id"][1:])
        item["associations"] = {COMPANY: [{"internal_id": "c%d" % number, "data": {
            "name": "Company %d" % number, "domain": "c%d.example" % number}}]}
    thrifty = account.open("by-mail", match=["email"])
    narrow = account.open("by-domain", match=["domain"])
    rows, names, _ = counted(account, peer, [item["associations"][COMPANY][0] for item in items[:40]], COMPANY, narrow)
    same({row["outcome"] for row in rows}, {"created"}, "companies")
    same(names, ["search"] * names.count("search") + ["batch.create"], "calls for new companies")
    rows, names, plan = counted(account, peer, items, session=thrifty)
    same({row["outcome"] for row in rows}, {"created"}, "contacts")
    same([names.count(name) for name in ("batch.create", "associations.batch_default")], [6, 3], "per 100 contacts, and per 100 companies")
    same([row["resource"] for row in plan["calls_by_resource"]], ["companies", "contacts"], "resources")
    # All of them are known by their e-mail: neither phone nor name is searched for.
    fresh = account.open("fresh", namespace="other")
    changed = [person("p%03d" % number, data={"city": "Rome", "phone": "+1 555 111 %04d" % number}) for number in range(150)]
    rows, names, _ = counted(account, peer, changed, session=fresh)
    same({row["outcome"] for row in rows}, {"updated"}, "contacts that are there")
    same(names, ["batch.read", "batch.update", "batch.read"] * 2, "calls for known contacts")
    # By phone, by name, and not at all.
    mixed = [{"data": {"phone": "+1 555 111 %04d" % number, "city": "Oslo"}} for number in range(20)]
    mixed += [{"data": {"first_name": "Nobody", "last_name": "Known %d" % number, "city": "Oslo"}} for number in range(20)]
    rows, names, _ = counted(account, peer, mixed, session=fresh)
    same([row["outcome"] for row in rows], ["updated"] * 20 + ["created"] * 20, "mixed")
    account.push(CONTACT, items, thrifty, freshness="ledger")
    _, names, _ = counted(account, peer, items, session=thrifty, freshness="ledger")
    same(names, [], "an identical push under the ledger")


def token(house, peer):
    """A wrong token is no fault of a record; the right one is never told."""
    account = Account(house, peer)
    try:
        account.open("bare", account="elsewhere", credentials=None)
        peer.call("pushTransfer", session_id=account.open("bare", account="elsewhere", credentials=None),
                  endgrate_type=CONTACT, transfer_data=[person("ann")])
        raise Wrong("a session without a token can push")
    except Refused as refused:
        same(refused.error["code"], 1302, "without a token")
    expect(account.token not in house.gateway.log(), "the token is in the log")


def refused(code, peer, method, **params):
    try:
        peer.call(method, params)
    except Refused as refused:
        same(refused.error["code"], code, method)
        return refused.error
    raise Wrong("%s is not refused" % method)


def named_by_provider(house, peer):
    """Without `account` a session is one of the account that its credentials lead to, and stays one of it."""
    account, other = Account(house, peer), Account(house, peer)
    mine = {"provider": "hubspot", "schema": SCHEMAS, "credentials": {"token": account.token}}

    def shown(session):
        return [(entry["account"], entry["configured"]) for entry in peer.call("listSessions", limit=1000)["sessions"]
                if entry["session_id"] == session]

    first = peer.call("initiateSession", mine)["session_id"]
    same(shown(first), [(str(account.number), True)], "who it is")
    row, = account.push(CONTACT, [person("ann")], first)
    second = peer.call("initiateSession", dict(mine, name="cron"))["session_id"]
    again, = account.push(CONTACT, [person("ann")], second)
    same((again["id"], again["outcome"]), (row["id"], "unchanged"), "what the account remembers")
    # With no credentials nobody knows the account, and nothing is pushed.
    late = peer.call("initiateSession", {"provider": "hubspot", "name": "late", "schema": SCHEMAS})["session_id"]
    same(shown(late), [(None, False)], "an account that nobody knows")
    refused(1302, peer, "pushTransfer", session_id=late, endgrate_type=CONTACT, transfer_data=[person("ann")])
    refused(1302, peer, "importIdentities", session_id=late, endgrate_type=CONTACT,
            identities=[{"internal_id": "ann", "id": row["id"]}])
    refused(1302, peer, "planTransfer", session_id=late, endgrate_type=CONTACT, transfer_data=[person("ann")])
    refused(-32602, peer, "updateSession", session_id=late, credentials={"token": "pat-wrong"})
    refused(-32602, peer, "initiateSession", **dict(mine, credentials={"token": "pat-wrong"}))
    same(shown(late), [(None, False)], "after credentials that are refused")
    house.simulator.control("POST", "/listening", {"open": False})
    try:
        refused(1005, peer, "initiateSession", **dict(mine, name="unheard"))
        refused(1005, peer, "updateSession", session_id=late, credentials={"token": account.token})
        # A session that is known needs no provider to be found again.
        same(peer.call("initiateSession", dict(mine, name="cron"))["created"], False, "a known session")
    finally:
        house.simulator.control("POST", "/listening", {"open": True})
    same(peer.call("updateSession", session_id=late, credentials={"token": account.token})["changed"], ["account"],
         "what has changed")
    same(shown(late), [(str(account.number), True)], "with credentials")
    again, = account.push(CONTACT, [person("ann")], late)
    same(again["id"], row["id"], "what the account remembers")
    # Those of another account are refused: what is remembered here is of no use there.
    problem = refused(-32602, peer, "updateSession", session_id=late, credentials={"token": other.token})
    expect(str(other.number) in json.dumps(problem), "the other account is not named")
    refused(-32602, peer, "initiateSession", **dict(mine, name="cron", credentials={"token": other.token}))
    refused(-32602, peer, "initiateSession", **dict(mine, account="?x"))
    elsewhere = peer.call("initiateSession", dict(mine, credentials={"token": other.token}))["session_id"]
    row, = other.push(CONTACT, [person("ann")], elsewhere)
    same((row["outcome"], shown(elsewhere)), ("created", [(str(other.number), True)]), "another account")
    same(sorted(len(each.state("contacts")) for each in (account, other)), [1, 1], "records of each account")
    log = house.gateway.log()
    expect(account.token not in log and "pat-wrong" not in log, "a token is in the log")


SCENES = [published_page, whole_data, by_id, contact_keys, second_address, company_keys, ambiguous, without_upsert,
          empty_data, forms, clearing, unchanged, bad_record, many, planned_calls, named_by_provider, token]


def main(names):
    scenes = [scene for scene in SCENES if not names or scene.__name__ in names]
    with House() as house, house.gateway.peer(60) as peer:
        try:
            for scene in scenes:
                try:
                    scene(house, peer)
                    house.check()
                except (Wrong, Missing, Refused) as problem:
                    raise Wrong("%s: %s" % (scene.__name__, problem)) from None
        except Wrong as problem:
            print("FAILED: %s" % problem)
            print(house.gateway.log()[-2000:], file=sys.stderr)
            return 1
    print("%d scenes at a simulated HubSpot ended as they must" % len(scenes))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
