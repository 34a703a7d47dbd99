// What the fake gateway keeps of transfers, plans and identities: enough to tell whether a client speaks of them rightly.

import { failure } from "./fake-gateway.js";

const notBody = new Set(["idempotency_key", "progress_token", "synchronous"]);

export class Desk {
  transfers = new Map();
  plans = new Map();
  ids = new Map();
  keys = new Map();
  sessions = new Map([
    ["s1", {}],
    ["s2", {}],
  ]);
  /** Transfers are accepted but not completed until `finish`. */
  hold = false;
  /** Indexes of records whose outcome nobody will know, in transfers that begin from now on. */
  uncertain = [];
  pageCut = 1_000;
  #count = 0;

  methods() {
    const own = Object.getOwnPropertyNames(Desk.prototype).filter((name) => /^[a-z]+[A-Z]/.test(name));
    return { ...Object.fromEntries(own.map((name) => [name, (params) => this[name](params)])), ...control };
  }

  // Sessions

  initiateSession(definition) {
    for (const [id, { name }] of this.sessions) {
      if (name !== undefined && name === definition.name) return { success: true, session_id: id, created: false };
    }
    const id = `s${this.sessions.size + 1}`;
    this.sessions.set(id, { ...definition });
    return { success: true, session_id: id, created: true };
  }

  updateSession({ session_id: id, ...changes }) {
    Object.assign(this.sessions.get(id), changes);
    return { success: true, session_id: id, changed: Object.keys(changes) };
  }

  setSchemas(params) {
    return this.updateSession(params);
  }

  getConfiguration({ session_id: id }) {
    const { schema } = this.sessions.get(id);
    return { success: true, session_id: id, schemas: Object.fromEntries(schema.map(({ endgrate_type: type }) => [type, {}])) };
  }

  deleteSession({ session_id: id }) {
    this.sessions.delete(id);
    return { success: true, session_id: id };
  }

  // Making transfers

  pushTransfer(params) {
    if (params.plan_id === undefined) return this.#keyed(params, params.transfer_data);
    const plan = this.#plan(params.plan_id);
    if (plan.transfer !== undefined) return { ...this.#transfer(plan.transfer).answer, duplicate: true };
    const answer = this.#keyed({ ...plan.params, ...params }, plan.params.transfer_data);
    plan.transfer = answer.transfer_id;
    return answer;
  }

  beginTransfer(params) {
    const { transfer_id: id, duplicate } = this.#keyed(params, [], { parts: [] });
    return { success: true, transfer_id: id, parts: (this.#transfer(id).parts ?? []).length, duplicate };
  }

  appendTransfer({ transfer_id: id, seq, transfer_data: records }) {
    const transfer = this.#transfer(id);
    const parts = transfer.parts ?? transfer.committed;
    if (seq > parts.length || (seq === parts.length && transfer.parts === undefined)) throw failure(-32602, "invalid_params");
    const duplicate = seq < parts.length;
    if (duplicate && JSON.stringify(parts[seq]) !== JSON.stringify(records)) throw failure(1202, "part_conflict");
    if (!duplicate) parts.push(records);
    return { success: true, transfer_id: id, seq, records: parts.flat().length, duplicate };
  }

  commitTransfer(params) {
    const transfer = this.#transfer(params.transfer_id);
    if (transfer.parts === undefined) return { ...transfer.answer, duplicate: true };
    if (params.parts !== transfer.parts.length) throw failure(-32602, "invalid_params");
    transfer.committed = transfer.parts;
    transfer.records = transfer.parts.flat();
    delete transfer.parts;
    this.#start(params.transfer_id, params);
    return transfer.answer;
  }

  retryTransfer(params) {
    const transfer = this.#transfer(params.transfer_id);
    if (!transfer.completed) throw failure(1307, "transfer_not_completed", { retryable: true });
    const { outcomes = ["refused", "unsent"] } = params;
    const records = transfer.records.filter((_, index) => outcomes.includes(transfer.rows[index].outcome));
    const call = { session_id: transfer.session, endgrate_type: transfer.type, ...params };
    return this.#keyed(call, records, { retry_of: params.transfer_id }, { records: records.length });
  }

  #keyed(params, records, about = {}, said = {}) {
    const key = params.idempotency_key;
    const body = JSON.stringify([Object.entries(params).filter(([name]) => !notBody.has(name)), records]);
    const known = this.#transferUnder(key);
    if (known !== undefined) {
      if (known.body !== body) throw failure(1201, "idempotency_conflict");
      return { ...known.answer, duplicate: true };
    }
    const id = this.#take(params, records, about, said, body);
    this.keys.set(key, id);
    if (about.parts === undefined) this.#start(id, params);
    return this.#transfer(id).answer;
  }

  #transferUnder(key) {
    return key === undefined ? undefined : this.transfers.get(this.keys.get(key));
  }

  #take({ session_id: session, endgrate_type: type }, records, about, said, body) {
    const id = `t${(this.#count += 1)}`;
    const cursor = this.gateway.log.at(-1)?.cursor ?? "c0";
    const answer = { success: true, transfer_id: id, statistics: "", event_cursor: cursor, ...about, ...said };
    delete answer.parts;
    const settings = this.sessions.get(session)?.settings;
    const uncertain = new Set(settings?.faults === undefined ? this.uncertain : [0]);
    delete settings?.faults;
    this.transfers.set(id, { session, type, records, body, answer, rows: [], errors: [], uncertain, ...about });
    return id;
  }

  #start(id, { progress_token: token, synchronous }) {
    const { records } = this.#transfer(id);
    if (this.hold) return;
    if (synchronous && token === undefined) {
      this.finish(id);
      return;
    }
    setTimeout(() => {
      const value = { transfer_id: id, finished: records.length, total: records.length };
      // Who asks again on another connection hears the progress there.
      for (const one of token === undefined ? [] : this.gateway.connections) one.notify("$/progress", { token, value });
      this.finish(id);
    }, 5);
  }

  finish(id) {
    const transfer = this.#transfer(id);
    transfer.rows = transfer.records.map((record, index) => this.#row(transfer, record, index));
    transfer.errors = transfer.rows.flatMap(({ outcome }, index) => (outcome === "refused" ? [{ index, error_type: "transfer_data", resolved: false }] : []));
    transfer.completed = true;
    if (transfer.retry_of !== undefined && transfer.errors.length === 0) {
      for (const entry of this.#transfer(transfer.retry_of).errors) entry.resolved = true;
    }
    this.gateway.publish("data", { transfer_id: id, transfer_data: transfer.rows });
    this.gateway.publish("completed", { transfer_id: id });
  }

  #row(transfer, { internal_id: own, data = {} }, index) {
    const row = { id: null, internal_id: own, data: {}, associations: {} };
    if (transfer.cancelled) return { ...row, outcome: "unsent" };
    const isLenient = this.sessions.get(transfer.session)?.unknown_properties === "warn";
    if (data.email === "not an address" || ("emial" in data && !isLenient)) return { ...row, outcome: "refused" };
    if (transfer.uncertain.has(index)) return { ...row, outcome: "uncertain" };
    const key = `${transfer.type} ${own}`;
    if (!this.ids.has(key)) this.ids.set(key, String(100 + this.ids.size));
    return { ...row, id: this.ids.get(key), data, outcome: "created" };
  }

  /** As if the cause of a refusal had been dealt with. */
  correct(id, index, record) {
    this.#transfer(id).records[index] = record;
  }

  // Asking about them

  #transfer(id) {
    const transfer = this.transfers.get(id);
    if (transfer === undefined) throw failure(1306, "transfer_not_found");
    return transfer;
  }

  #told(id) {
    const { session, type, parts, completed, cancelled, retry_of: of } = this.#transfer(id);
    const state = completed ? "completed" : parts === undefined ? "running" : "open";
    const { records } = this.#transfer(id);
    const told = { session_id: session, endgrate_type: type, state, records: records.length, cancelled, retry_of: of };
    return { success: true, transfer_id: id, ...told, summary: { created: records.length } };
  }

  getTransfer({ transfer_id: id }) {
    return this.#told(id);
  }

  listTransfers({ session_id: session, endgrate_type: type, state, ...page }) {
    const all = [...this.transfers.keys()].reverse().map((id) => this.#told(id));
    const wanted = all.filter(
      (row) =>
        (session ?? row.session_id) === row.session_id &&
        (type ?? row.endgrate_type) === row.endgrate_type &&
        (state ?? row.state) === row.state,
    );
    return this.#page("transfers", wanted, page);
  }

  listSessions(page) {
    const rows = [...this.sessions].map(([id, { name }]) => ({ session_id: id, name }));
    return this.#page("sessions", rows, page);
  }

  getData({ transfer_id: id, ...page }) {
    return this.#page("transfer_data", this.#transfer(id).rows, page);
  }

  getErrors({ transfer_id: id, ...page }) {
    return this.#page("errors", this.#transfer(id).errors, page);
  }

  getRecord({ transfer_id: id, index, internal_id: own }) {
    const { rows } = this.#transfer(id);
    const place = rows.findIndex((row, at) => (index ?? at) === at && (own ?? row.internal_id) === row.internal_id);
    if (place < 0) throw failure(1311, "record_not_found");
    return { success: true, transfer_id: id, record: { index: place, state: "finished", result: rows[place] } };
  }

  getStatistics({ transfer_id: id }) {
    return { completed: this.#told(id).state === "completed" };
  }

  #page(member, rows, { offset = 0, limit = 250 }) {
    const page = rows.slice(offset, offset + Math.min(limit, this.pageCut));
    const next = offset + page.length < rows.length ? { offset: offset + page.length, link: "" } : undefined;
    return { success: true, meta: { count: rows.length, next }, [member]: page };
  }

  cancelTransfer({ transfer_id: id }) {
    const { state } = this.#told(id);
    const transfer = this.#transfer(id);
    if (state === "completed") return { success: true, transfer_id: id, cancelled: transfer.cancelled === true, state };
    if (state === "open") this.transfers.delete(id);
    else {
      transfer.cancelled = true;
      setTimeout(() => this.finish(id), 5);
    }
    return { success: true, transfer_id: id, cancelled: true, state: state === "open" ? "completed" : state };
  }

  resolveRecord({ transfer_id: id, resolution, index, internal_id: own, id: written }) {
    const transfer = this.#transfer(id);
    const named = transfer.rows.filter(
      (row, place) => row.outcome === "uncertain" && (index ?? place) === place && (own ?? row.internal_id) === row.internal_id,
    );
    if (named.length === 0 && (index !== undefined || own !== undefined)) throw failure(1311, "record_not_found");
    const answer = { success: true, transfer_id: id, resolved: named.length };
    const records = transfer.records.filter((_, place) => named.includes(transfer.rows[place]));
    for (const row of named) Object.assign(row, resolution === "written" ? { id: written, outcome: "updated" } : { outcome: "refused" });
    if (resolution === "push_again") {
      answer.retry = this.#take({ session_id: transfer.session, endgrate_type: transfer.type }, records, {}, {}, "");
      this.#start(answer.retry, {});
    }
    return { ...answer, remaining: transfer.rows.filter(({ outcome }) => outcome === "uncertain").length };
  }

  // Plans

  #plan(id) {
    if (!this.plans.has(id)) throw failure(1312, "plan_not_found");
    return this.plans.get(id);
  }

  planTransfer({ plan_id: known, limit, offset, ...params }) {
    const id = known ?? `plan${this.plans.size}`;
    if (known === undefined) this.plans.set(id, { params });
    const { endgrate_type: type, transfer_data: records } = this.#plan(id).params;
    const rows = records.map(({ internal_id: own, data = {} }, index) => {
      const action = this.ids.has(`${type} ${own}`) ? "update" : "create";
      const diff = action === "update" ? [{ field: "first_name", from: "", to: data.first_name }] : undefined;
      return { index, internal_id: own, action, diff };
    });
    const summary = { create: 0, update: 0, unchanged: 0, ambiguous: 0, invalid: 0 };
    for (const { action } of rows) summary[action] += 1;
    const about = { plan_id: id, expires_at: "2025-01-01T01:00:00.000Z", summary, calls: 2, seconds: 0.012 };
    return { ...this.#page("records", rows, { limit, offset }), ...about };
  }

  // Webhooks

  listWebhookDeliveries({ session_id: session, transfer_id: transfer, state, after = "0", limit = 250 }) {
    const told = [...this.transfers].reverse().filter(([, { body }]) => body.includes('"completed_webhook"'));
    const rows = told
      .map(([id, row]) => ({ delivery_id: `d${id}`, session_id: row.session, transfer_id: id, webhook: "completed", state: "pending" }))
      .filter(
        (row) =>
          (session ?? row.session_id) === row.session_id &&
          (transfer ?? row.transfer_id) === row.transfer_id &&
          (state ?? row.state) === row.state,
      );
    const past = Number(after) + Math.min(limit, this.pageCut);
    return { success: true, deliveries: rows.slice(Number(after), past), next: past < rows.length ? `${past}` : undefined };
  }

  replayWebhook() {
    return { success: true, replayed: 1 };
  }

  // Identities

  exportIdentities({ endgrate_type: type, after = "", limit = 1_000 }) {
    const keys = [...this.ids.keys()].sort().filter((key) => key > after && (type === undefined || key.startsWith(`${type} `)));
    const page = keys.slice(0, Math.min(limit, this.pageCut));
    const identities = page.map((key) => ({ internal_id: key.split(" ")[1], id: this.ids.get(key) }));
    return { success: true, identities, next: page.length < keys.length ? page.at(-1) : undefined };
  }

  importIdentities({ endgrate_type: type, identities, on_conflict: policy = "error" }) {
    const known = ({ internal_id: own }) => this.ids.get(`${type} ${own}`);
    const conflicts = identities
      .filter((pair) => (known(pair) ?? pair.id) !== pair.id)
      .map((pair) => ({ ...pair, known_id: known(pair) }));
    if (policy === "error" && conflicts.length > 0) throw failure(-32602, "invalid_params");
    const unchanged = identities.filter((pair) => known(pair) === pair.id).length;
    const wanted = identities.filter((pair) => known(pair) === undefined || (policy === "replace" && known(pair) !== pair.id));
    for (const { internal_id: own, id } of wanted) this.ids.set(`${type} ${own}`, id);
    return { success: true, imported: wanted.length, unchanged, conflicts, conflicts_total: conflicts.length };
  }
}

const control = {
  getEvents: () => ({ events: [], cursor: "c1", oldest: "c1", latest: "c1", gap: null }),
  getTypes: () => ({ types: [{ endgrate_type: "crm-contact" }] }),
  getIntegrations: () => ({ providers: [{ provider: { name: "local" } }] }),
  health: () => ({ live: true, ready: true, checks: [] }),
  stats: () => ({ connections: 1 }),
  drain: () => ({ success: true }),
  "rpc.discover": () => ({ openrpc: "1.3.2", methods: [] }),
};
