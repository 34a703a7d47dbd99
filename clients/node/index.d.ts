/// <reference types="node" />
import { EventEmitter } from "node:events";

/** Codes of errors by their wire name. */
export declare const ErrorCode: Readonly<{
  parse_error: -32700;
  invalid_request: -32600;
  method_not_found: -32601;
  invalid_params: -32602;
  internal: -32603;
  request_cancelled: -32800;
  shutting_down: 1001;
  overloaded: 1002;
  unauthenticated: 1003;
  forbidden: 1004;
  deadline_exceeded: 1005;
  request_too_large: 1006;
  result_too_large: 1007;
  storage_full: 1008;
  line_timeout: 1009;
  too_many_connections: 1010;
  subscription_not_found: 1101;
  subscription_exists: 1102;
  too_many_subscriptions: 1103;
  cursor_invalid: 1104;
  cursor_expired: 1105;
  consumer_busy: 1106;
  idempotency_conflict: 1201;
  part_conflict: 1202;
  session_not_found: 1301;
  session_not_configured: 1302;
  unknown_type: 1303;
  association_type_unknown: 1304;
  provider_unknown: 1305;
  transfer_not_found: 1306;
  transfer_not_completed: 1307;
  schema_invalid: 1308;
  webhook_endpoint_refused: 1309;
  plan_stale: 1310;
  record_not_found: 1311;
  plan_not_found: 1312;
  delivery_not_found: 1313;
  credential_unknown: 1314;
}>;

/** The name of an error that this version knows. A newer gateway may have more. */
export type ErrorName = keyof typeof ErrorCode;

/** An error that the gateway answered, or that this client found out before sending. */
export declare class PushgateError extends Error {
  constructor(
    code: number,
    message: string,
    options?: {
      name?: string;
      retryable?: boolean;
      retryAfterMs?: number;
      details?: unknown;
      requestId?: string;
      cause?: unknown;
    },
  );
  /** The wire's name of the error, such as `session_not_found`; it never changes. */
  name: ErrorName | "connection_lost" | (string & {});
  /** The wire's code; 0 for ConnectionLost. */
  code: number;
  /** Whether the same call may succeed later. */
  retryable: boolean;
  retryAfterMs: number | undefined;
  /** By error: `path` and the problems of invalid_params, `outcome` of deadline_exceeded, and so on. */
  details: unknown;
  requestId: string | undefined;
  /** Set on an error of `Client.push` while waiting: the records are accepted, here is their transfer. */
  transfer?: Transfer;
  /** Set on an error of `Client.pushParts`: the transfer that was begun, to go on with under its key, or to cancel. */
  openTransfer?: string;
}

/** The gateway went away or cannot be reached. */
export declare class ConnectionLost extends PushgateError {
  constructor(message: string, options?: { outcome?: "unknown" | "not_started"; cause?: unknown });
  name: "connection_lost";
  /** `unknown`: the call was sent and may have been carried out. `not_started`: it never left. */
  outcome: "unknown" | "not_started";
}

export interface ClientOptions {
  /** Milliseconds until a connection must be made and greeted. Default 10,000. */
  timeout?: number;
  /** Milliseconds for a call that names none. Default 60,000; a synchronous push has at least 310,000. */
  callTimeout?: number;
  /** Milliseconds of trying to reach a gateway that went away; 0 turns it off. Default 60,000. */
  reconnectFor?: number;
  /** Longest line that the gateway may send, in bytes; larger results come in pages. Default 1,000,000. */
  maxLineBytes?: number;
  /** The content of the gateway's token file, where it asks for one. */
  token?: string;
  /** Ends the attempt to connect. */
  signal?: AbortSignal;
}

export interface ConnectOptions extends ClientOptions {
  /** Path of the socket. Default: `defaultSocketPath()`. */
  socket?: string;
}

export interface SpawnOptions extends ClientOptions {
  /** Default: $PUSHGATE_BINARY, else `pushgate` on the PATH. */
  binary?: string;
  /** File of the store. Default: the gateway's own default. */
  store?: string;
  /** Further arguments of `pushgate stdio`. */
  args?: readonly string[];
  /** Socket that is tried before a child is started. Default: `defaultSocketPath()`, or none if `store` is given. */
  socket?: string | false;
  /** Called with each line that the child writes to stderr. */
  log?: (line: string) => void;
}

export interface CallOptions {
  /** An abort rejects with its reason and sends `$/cancelRequest`. */
  signal?: AbortSignal;
  /** Milliseconds. */
  timeout?: number;
}

/** Members of params and results have the names of the wire. */
export type Params = Record<string, unknown>;

/** One item of a push. Absent members of `data` are not touched, `null` clears, a value is written. */
export interface PushRecord {
  id?: string;
  internal_id?: string;
  data?: Record<string, unknown>;
  associations?: Record<string, PushRecord[]>;
}

export type Outcome = "created" | "updated" | "unchanged" | "refused" | "deferred" | "uncertain" | "unsent";

export interface Warning {
  name: string;
  message: string;
  path?: string;
}

/** What became of one record. */
export interface ResultRow {
  /** The provider's id; null if the record was not written. */
  id: string | null;
  internal_id?: string;
  data: Record<string, unknown>;
  associations: Record<string, string[]>;
  outcome?: Outcome;
  /** How the gateway knows that an `unchanged` record is as pushed. */
  basis?: "verify" | "ledger" | "caller" | (string & {});
  /** When it was known to be so. */
  as_of?: string;
  warnings?: Warning[];
}

export interface ErrorEntry {
  pk: string;
  transfer_id: string;
  session_id: string;
  timestamp: string;
  error_resolve_text: string;
  error_type: "internal" | "transfer_data" | "upstream" | "authentication";
  resolved: boolean;
  endgrate: Record<string, unknown>;
  warn: string[];
  transfer_errors: boolean;
  internal_id?: string;
  index?: number;
}

/** One record with all that became of it. */
export interface ExplainedRecord {
  index: number;
  endgrate_type: string;
  resource: string;
  internal_id?: string;
  parent?: { endgrate_type: string; internal_id?: string };
  pushed: { time: string; id?: string; data?: Record<string, unknown> };
  state: "queued" | "waiting" | "identifying" | "sending" | "deferred" | "settling" | "finished" | (string & {});
  /** With `deferred`: when it will be tried again. */
  next_attempt?: string;
  finished?: string;
  result: ResultRow;
  error?: ErrorEntry;
  /** The provider's id that is remembered for its internal id now. */
  remembered_id?: string;
  decision?: {
    action: "create" | "update" | "none";
    why: "given_id" | "remembered" | "matched" | "new" | (string & {});
    match_key?: string;
    text: string;
  };
  mapping: { from: string; to: string; value: unknown; mode: string; why: string; written: boolean }[];
  /** Its associated records, the first 200. */
  links: {
    endgrate_type: string;
    internal_id?: string;
    id: string | null;
    outcome?: Outcome;
    state: "linked" | "pending" | "skipped" | "refused" | (string & {});
  }[];
  links_total: number;
  /** Exchanges with the provider that were for it, the newest 100. */
  attempts: RecordAttempt[];
  attempts_total: number;
}

export interface RecordAttempt {
  time: string;
  duration_ms: number;
  operation: string;
  attempt: number;
  records: number;
  /** As it would be for this record alone, without credentials. */
  request: { method: string; path: string; body?: unknown };
  answer: { status?: number; failed?: string; reason?: string };
  outcome: "answered" | "not_sent" | "unknown" | "throttled" | "refused" | (string & {});
}

export interface TransferState {
  success: true;
  transfer_id: string;
  session_id: string;
  endgrate_type: string;
  /** `open`: its parts are still arriving. */
  state: "open" | "running" | "completed";
  created: string;
  completed_at?: string;
  records: number;
  finished: number;
  summary: Record<"created" | "updated" | "unchanged" | "refused" | "uncertain" | "unsent", number>;
  transfer_errors: boolean;
  cancelled?: boolean;
  /** The transfer whose failures it pushes again. */
  retry_of?: string;
  /** Parts that have arrived, if it was begun with `beginTransfer`. */
  parts?: number;
  /** Its records were only taken as examples. */
  sample?: boolean;
}

export interface PageMeta {
  count: number;
  previous?: { offset: number; link: string };
  next?: { offset: number; link: string };
}

export interface PushResult {
  success: true;
  transfer_id: string;
  statistics: string;
  event_cursor: string;
  duplicate?: boolean;
  completed?: boolean;
  warnings?: Warning[];
}

export interface Progress {
  transfer_id: string;
  finished: number;
  total: number;
}

export interface RetryResult extends PushResult {
  retry_of: string;
  /** How many records are pushed again. */
  records: number;
}

export type Freshness = "force" | "verify" | "ledger";

/** Options of `push`, `pushParts` and `plan`. Left out, what the session says holds. */
export interface RecordOptions {
  /**
   * How a record that exists is compared: `force` always writes, `verify` reads it at the provider first and writes what
   * differs, `ledger` believes what the gateway itself confirmed within `maxAge` and makes no call for it.
   */
  freshness?: Freshness;
  /** Seconds for which `ledger` believes. */
  maxAge?: number;
  /** The match keys that recognise a record that exists, in this order; none if empty. */
  match?: readonly string[];
  /** What happens to a known record that is gone at the provider. */
  onDeleted?: "recreate" | "skip" | "error";
  /** What a property is that the schema does not have: an error of its record, or a warning. */
  unknownProperties?: "error" | "warn";
  /** A null is as good as absent: it clears nothing. */
  skipNull?: boolean;
  /** Seconds that a record waits for an account that is paused; then it is refused. */
  retryWindow?: number;
  /** Ends a transfer that goes wrong: what has not been sent by then is unsent. `{}` for never. */
  abortIf?: { rejects_percent?: number; rejects?: number };
  /** Do not recognise records by match keys; `id` and `internal_id` still do. */
  disableUpsert?: boolean;
  /** Further members of the call, in the spelling of the wire or in camelCase. */
  [option: string]: unknown;
}

/** Whom to tell: an https address that is called with POST. `metadata` comes with every call. */
export interface Webhook {
  endpoint: string;
  metadata?: Record<string, unknown>;
}

/** A call of a webhook. */
export interface Delivery {
  /** Also the `webhook-id` of each attempt. */
  delivery_id: string;
  session_id: string;
  transfer_id?: string;
  webhook: "data" | "completed" | "error" | "configuration";
  endpoint: string;
  /** `failed`: given up. */
  state: "pending" | "delivered" | "failed";
  created: string;
  attempts: number;
  next_attempt?: string;
  finished_at?: string;
  /** The HTTP status of the last attempt that was answered with one. */
  status?: number;
  /** Why the last attempt failed without a status. */
  reason?: string;
}

/** Webhooks of a push, instead of those of its session; null: nobody is told. */
export interface WebhookOptions {
  dataWebhook?: Webhook | null;
  completedWebhook?: Webhook | null;
  errorWebhook?: Webhook | null;
  /** Calls of one address may overlap. */
  webhookConcurrency?: boolean;
}

export interface WaitOptions extends CallOptions {
  /** Wait for completion. Default true. */
  wait?: boolean;
  onProgress?: (progress: Progress) => void;
  /** Default: a new one that sorts by time. Give your own to make a push repeatable across runs of your program. */
  idempotencyKey?: string;
  /** The gateway answers when the transfer is completed. */
  synchronous?: boolean;
  progressToken?: string;
}

export interface PushOptions extends RecordOptions, WaitOptions, WebhookOptions {
  /** The records are only taken as examples for the mapping; nothing is sent. */
  sampleData?: boolean;
  bypassRateLimit?: boolean;
}

export interface PartsOptions extends RecordOptions, WaitOptions, WebhookOptions {
  /** Records in one part, unless its line is full before. Default 1,000. */
  partRecords?: number;
  bypassRateLimit?: boolean;
}

export interface PageOptions {
  /** Rows of a page. */
  limit?: number;
  signal?: AbortSignal;
}

export interface PlanOptions extends RecordOptions, CallOptions {
  /** Rows of a page. Default 250. */
  limit?: number;
}

export type PlannedAction = "create" | "update" | "unchanged" | "ambiguous" | "invalid";

/** What would become of one record. */
export interface PlannedRow {
  /** Place among the records; associated ones have none. */
  index?: number;
  internal_id?: string;
  action: PlannedAction;
  /** The provider's record, if it exists. */
  id?: string;
  /** Index of an earlier record of the plan that is the same. */
  same_as?: number;
  /** Of an update: each field that would be written. */
  diff?: { field: string; from: unknown; to: unknown }[];
  /** Links that the provider does not have yet. */
  links?: { resource: string; id?: string }[];
  /** Of `ambiguous`: ids of the records that fit. */
  candidates?: string[];
  /** Of `ambiguous` and `invalid`: what is wrong. */
  errors?: { error_type: string; code: string; message: string; path?: string }[];
  warnings?: Warning[];
  associations?: Record<string, PlannedRow[]>;
}

export interface PlanResult {
  success: true;
  plan_id: string;
  expires_at: string;
  meta: PageMeta;
  records: PlannedRow[];
  summary: Record<PlannedAction, number>;
  calls: number;
  calls_by_resource: { resource: string; reads: number; writes: number }[];
  seconds: number;
  /** The transfer that it became, if it was applied. */
  transfer_id?: string;
}

/** What a push would do. Nothing was written at the provider; it lives for an hour. */
export declare class Plan implements AsyncIterable<PlannedRow> {
  private constructor();
  readonly id: string;
  readonly expiresAt: string;
  /** Records by action, associated ones included. */
  readonly summary: Record<PlannedAction, number>;
  /** Exchanges with the provider that applying costs. */
  readonly calls: number;
  /** How long applying takes, at the provider's pace. */
  readonly seconds: number;
  /** Records in the plan, not counting associated ones. */
  readonly count: number;
  [Symbol.asyncIterator](): AsyncGenerator<PlannedRow, void, undefined>;
  records(options?: { signal?: AbortSignal }): AsyncGenerator<PlannedRow, void, undefined>;
  /**
   * Pushes what was planned. A record that has changed at the provider since is refused, the others go on. Applied
   * twice, a plan gives the same transfer.
   */
  apply(options?: WaitOptions): Promise<Transfer>;
}

/** Which provider record an internal id is. */
export interface IdentityPair {
  internal_id: string;
  id: string;
}

export interface Identity extends IdentityPair {
  endgrate_type: string;
  confirmed_at: string;
}

/** An object, or `[internalId, id]` as a `Map` gives them. */
export type Pair = IdentityPair | readonly [internalId: string, id: string];

export interface ImportResult {
  success: true;
  imported: number;
  unchanged: number;
  conflicts: { internal_id: string; id: string; known_id: string }[];
  conflicts_total: number;
}

/** A session, as `listSessions` tells it. */
export interface SessionRow {
  session_id: string;
  provider: string;
  name?: string;
  /** Whether it has all that its provider needs; records can only be pushed then. */
  configured: boolean;
  /** What it lacks, as members of `initiateSession` and `updateSession`. */
  missing?: string[];
  created: string;
  [member: string]: unknown;
}

/**
 * `credentials` of a session: the secret itself, which the gateway keeps sealed and never shows again, or the name of one
 * that its operator has defined. They belong to the account; null takes them away.
 */
export type Credentials = { token: string } | { name: string } | null;

export interface SessionResult {
  success: true;
  session_id: string;
  /** Members that differ from the last definition. */
  changed?: string[];
  /** A secret that was made up because the session has webhooks and had none. It is told only once. */
  webhook_secret?: string;
  warnings?: Warning[];
}

export type Resolve = "written" | "not_written" | "push_again";

/** An accepted push. */
export declare class Transfer {
  private constructor();
  readonly id: string;
  /** Undefined, as the next ones, if the transfer was looked up by its id. */
  readonly sessionId: string | undefined;
  readonly endgrateType: string | undefined;
  readonly idempotencyKey: string | undefined;
  /** The key was known: nothing new was accepted. */
  readonly duplicate: boolean;
  /** All events of the transfer come after it. */
  readonly eventCursor: string | undefined;
  readonly warnings: Warning[];
  /** A secret that was made up for webhooks of the push, because its session had none. It is told only once. */
  readonly webhookSecret: string | undefined;
  /** Resolves when nothing more will happen, errors or not. */
  wait(options?: CallOptions & { onProgress?: (progress: Progress) => void }): Promise<TransferState>;
  state(options?: CallOptions): Promise<TransferState>;
  /** The records in the order pushed. Needs completion, unless `partial`. */
  data(options?: {
    endgrateType?: string;
    partial?: boolean;
    limit?: number;
    offset?: number;
    signal?: AbortSignal;
  }): AsyncGenerator<ResultRow, void, undefined>;
  errors(options?: {
    limit?: number;
    offset?: number;
    signal?: AbortSignal;
  }): AsyncGenerator<ErrorEntry, void, undefined>;
  statistics(options?: CallOptions): Promise<Record<string, unknown>>;
  /**
   * Nothing more is sent; what is on its way ends as it ends. False if it had completed before. One whose parts were
   * still arriving is gone.
   */
  cancel(options?: CallOptions): Promise<boolean>;
  /** A new transfer of the records of which something failed. `outcomes` are `refused` and `unsent` if not given. */
  retry(options?: WaitOptions & { outcomes?: readonly ("refused" | "unsent")[] }): Promise<Transfer>;
  /**
   * Says what became of a record whose outcome is `uncertain`, or without `index` and `internalId` of all: `written`
   * (with its provider `id`), `not_written`, or `push_again`. Not repeated when the connection is lost.
   */
  resolve(
    resolution: Resolve,
    options?: CallOptions & { index?: number; internalId?: string; id?: string },
  ): Promise<{ resolved: number; remaining: number; retry: Transfer | undefined }>;
}

export interface Gap {
  from_cursor: string;
  resumed_at: string;
  lost_at_most: number;
}

export interface LoggedEvent {
  /** Opaque: keep it, hand it back, compare it for equality only. */
  cursor: string;
  time: string;
  type: "data" | "completed" | "error" | "progress" | "provider.paused" | "provider.resumed" | "webhook.failed" | (string & {});
  /** What a webhook of this type carries. */
  data: any;
}

/** History was trimmed before it was read. */
export interface GapEvent {
  cursor: string;
  time: undefined;
  type: "gap";
  data: Gap;
}

export type PushgateEvent = LoggedEvent | GapEvent;

export interface SubscribeOptions {
  sessionId?: string;
  transferId?: string;
  types?: readonly string[];
  /** Default `latest`. */
  from?: "latest" | "earliest" | { cursor: string } | { consumer: string };
  onGap?: "report" | "error";
  ack?: "none" | "explicit";
  window?: number;
  /** Milliseconds between signs of life of an idle subscription; 0 turns them off. Default 30,000. */
  heartbeatMs?: number;
  /** Events that may wait here for `next()`; further ones stay on the gateway's disk. Default 1,024. */
  buffer?: number;
  /** An id of your own. */
  subscription?: string;
}

/** Events as an async iterator that survives reconnects. */
export declare class Subscription implements AsyncIterableIterator<PushgateEvent> {
  private constructor();
  /** Resolves with the gateway's first answer. */
  readonly ready: Promise<{ subscription: string; cursor: string; oldest: string; latest: string; gap: Gap | null }>;
  /** Resolves when everything that was logged at the start has arrived here. */
  readonly caughtUp: Promise<string>;
  [Symbol.asyncIterator](): this;
  next(): Promise<IteratorResult<PushgateEvent, undefined>>;
  return(value?: undefined): Promise<IteratorResult<PushgateEvent, undefined>>;
  /** Up to `event`, by default the last one handed out. */
  ack(event?: PushgateEvent | string): Promise<void>;
  close(): Promise<void>;
  /** For `await using`; its key is `Symbol.for("Symbol.asyncDispose")` where Node has no `Symbol.asyncDispose`. */
  [Symbol.asyncDispose](): Promise<void>;
}

export interface HelloResult {
  server: { name: string; version: string };
  protocol: number[];
  features: string[];
  limits: Record<string, number>;
  instance: string;
}

interface ClientEvents {
  /** A connection was made, also after a loss. */
  connected: [hello: HelloResult | undefined];
  /** The connection was lost; the next one is made when it is needed. */
  lost: [error: ConnectionLost];
  /** The gateway is about to end. */
  closing: [params: { deadline_ms: number }];
  /** A notification that this version does not know. */
  notification: [method: string, params: Params];
}

/** A gateway that stays reachable although connections come and go. */
export declare class Client extends EventEmitter {
  private constructor();
  static connect(options?: ConnectOptions): Promise<Client>;
  static spawn(options?: SpawnOptions): Promise<Client>;

  readonly gateway: HelloResult | undefined;
  readonly closed: boolean;

  call<Result = any>(method: string, params?: Params, options?: CallOptions): Promise<Result>;

  initiateSession(params: Params, options?: CallOptions): Promise<SessionResult & { created: boolean }>;
  getConfiguration(params: { session_id: string }, options?: CallOptions): Promise<any>;
  updateSession(params: { session_id: string } & Params, options?: CallOptions): Promise<SessionResult>;
  setSchemas(
    params: { session_id: string; schema: readonly Record<string, unknown>[] } & Params,
    options?: CallOptions,
  ): Promise<SessionResult>;
  listSessions(
    params?: { limit?: number; offset?: number },
    options?: CallOptions,
  ): Promise<{ success: true; meta: PageMeta; sessions: SessionRow[] }>;
  deleteSession(
    params: { session_id: string; forget?: boolean },
    options?: CallOptions,
  ): Promise<{ success: true; session_id: string }>;
  pushTransfer(
    params:
      | ({ session_id: string; endgrate_type: string; transfer_data: readonly PushRecord[] } & Params)
      | ({ plan_id: string } & Params),
    options?: CallOptions,
  ): Promise<PushResult>;
  planTransfer(
    params:
      | ({ session_id: string; endgrate_type: string; transfer_data: readonly PushRecord[] } & Params)
      | { plan_id: string; limit?: number; offset?: number },
    options?: CallOptions,
  ): Promise<PlanResult>;
  beginTransfer(
    params: { session_id: string; endgrate_type: string } & Params,
    options?: CallOptions,
  ): Promise<{ success: true; transfer_id: string; parts: number; duplicate?: boolean }>;
  appendTransfer(
    params: { transfer_id: string; seq: number; transfer_data: readonly PushRecord[] },
    options?: CallOptions,
  ): Promise<{ success: true; transfer_id: string; seq: number; records: number; duplicate?: boolean }>;
  commitTransfer(
    params: { transfer_id: string; parts?: number; synchronous?: boolean; progress_token?: string },
    options?: CallOptions,
  ): Promise<PushResult>;
  getTransfer(params: { transfer_id: string }, options?: CallOptions): Promise<TransferState>;
  listTransfers(
    params?: {
      session_id?: string;
      endgrate_type?: string;
      state?: TransferState["state"];
      limit?: number;
      offset?: number;
    },
    options?: CallOptions,
  ): Promise<{ success: true; meta: PageMeta; transfers: TransferState[] }>;
  cancelTransfer(
    params: { transfer_id: string },
    options?: CallOptions,
  ): Promise<{ success: true; transfer_id: string; cancelled: boolean; state: "running" | "completed" }>;
  retryTransfer(
    params: { transfer_id: string; outcomes?: readonly ("refused" | "unsent")[] } & Params,
    options?: CallOptions,
  ): Promise<RetryResult>;
  resolveRecord(
    params: { transfer_id: string; resolution: Resolve; index?: number; internal_id?: string; id?: string },
    options?: CallOptions,
  ): Promise<{ success: true; transfer_id: string; resolved: number; remaining: number; retry?: string }>;
  listWebhookDeliveries(
    params?: {
      session_id?: string;
      transfer_id?: string;
      state?: Delivery["state"];
      limit?: number;
      after?: string;
    },
    options?: CallOptions,
  ): Promise<{ success: true; deliveries: Delivery[]; next?: string }>;
  /** One delivery, or up to 1,000 of a session or transfer that were given up; with `next` as `after` it goes on. */
  replayWebhook(
    params:
      | { delivery_id: string }
      | { session_id?: string; transfer_id?: string; state?: Delivery["state"]; after?: string },
    options?: CallOptions,
  ): Promise<{ success: true; replayed: number; next?: string }>;
  exportIdentities(
    params: { session_id: string; endgrate_type?: string; limit?: number; after?: string },
    options?: CallOptions,
  ): Promise<{ success: true; identities: Identity[]; next?: string }>;
  /** Any number of pairs, in calls of 10,000; repeated when the connection is lost. */
  importIdentities(
    params: {
      session_id: string;
      endgrate_type: string;
      identities: Iterable<Pair> | AsyncIterable<Pair>;
      on_conflict?: "error" | "keep" | "replace";
    },
    options?: CallOptions,
  ): Promise<ImportResult>;
  getData(
    params: { transfer_id: string; endgrate_type?: string; limit?: number; offset?: number; partial?: boolean },
    options?: CallOptions,
  ): Promise<{ success: true; meta: PageMeta; transfer_data: ResultRow[]; transfer_errors: boolean }>;
  getErrors(
    params?: { transfer_id?: string; session_id?: string; limit?: number; offset?: number },
    options?: CallOptions,
  ): Promise<{ success: true; meta: PageMeta; errors: ErrorEntry[] }>;
  /** Names the record by its transfer and an index or an id, or by its session, its type and an id. */
  getRecord(
    params: (
      | { transfer_id: string; index: number }
      | { transfer_id: string; internal_id: string }
      | { transfer_id: string; id: string }
      | { session_id: string; endgrate_type: string; internal_id: string }
      | { session_id: string; endgrate_type: string; id: string }
    ) & { endgrate_type?: string },
    options?: CallOptions,
  ): Promise<{
    success: true;
    transfer_id: string;
    session_id: string;
    provider: string;
    account: string;
    record: ExplainedRecord;
  }>;
  getStatistics(params?: Params, options?: CallOptions): Promise<any>;
  unsubscribe(params: { subscription: string }, options?: CallOptions): Promise<any>;
  ack(params: { subscription: string; cursor: string }, options?: CallOptions): Promise<any>;
  getEvents(
    params?: {
      cursor?: string;
      session_id?: string;
      transfer_id?: string;
      types?: readonly string[];
      limit?: number;
      wait_ms?: number;
    },
    options?: CallOptions,
  ): Promise<{ events: LoggedEvent[]; cursor: string; oldest: string; latest: string; gap: Gap | null }>;
  getIntegrations(params?: Params, options?: CallOptions): Promise<any>;
  getTypes(params?: Params, options?: CallOptions): Promise<any>;
  hello(params?: Params, options?: CallOptions): Promise<HelloResult>;
  ping(params?: Params, options?: CallOptions): Promise<Record<string, never>>;
  health(params?: Params, options?: CallOptions): Promise<{ live: boolean; ready: boolean; checks: any[] }>;
  stats(params?: Params, options?: CallOptions): Promise<Record<string, number>>;
  drain(params?: Params, options?: CallOptions): Promise<any>;
  /** `rpc.discover`: the OpenRPC description of the gateway. */
  discover(params?: Params, options?: CallOptions): Promise<any>;

  push(
    sessionId: string,
    endgrateType: string,
    records: Iterable<PushRecord> | AsyncIterable<PushRecord>,
    options?: PushOptions,
  ): Promise<Transfer>;
  /**
   * As `push`, but the records travel in parts: one transfer of any size, of which one part is in memory at a time. Made
   * again under the same `idempotencyKey` it goes on where it was.
   */
  pushParts(
    sessionId: string,
    endgrateType: string,
    records: Iterable<PushRecord> | AsyncIterable<PushRecord>,
    options?: PartsOptions,
  ): Promise<Transfer>;
  /** What a push would do; nothing is written at the provider. One request of at most 16 MiB. */
  plan(
    sessionId: string,
    endgrateType: string,
    records: Iterable<PushRecord> | AsyncIterable<PushRecord>,
    options?: PlanOptions,
  ): Promise<Plan>;
  /** A plan that was made earlier, perhaps by another process. */
  planned(planId: string, options?: CallOptions & { limit?: number }): Promise<Plan>;
  /** A transfer of an earlier push, by its id. */
  transfer(transferId: string): Transfer;
  /** Newest first. */
  transfers(
    options?: PageOptions & { sessionId?: string; endgrateType?: string; state?: TransferState["state"] },
  ): AsyncGenerator<TransferState, void, undefined>;
  /** Calls of webhooks, newest first. */
  webhookDeliveries(
    options?: PageOptions & { sessionId?: string; transferId?: string; state?: Delivery["state"] },
  ): AsyncGenerator<Delivery, void, undefined>;
  sessions(options?: PageOptions): AsyncGenerator<SessionRow, void, undefined>;
  /** Which provider record each internal id is, in the order of the ids. */
  identities(
    sessionId: string,
    options?: PageOptions & { endgrateType?: string },
  ): AsyncGenerator<Identity, void, undefined>;
  subscribe(options?: SubscribeOptions): Subscription;

  /** Never rejects. `timeout` in milliseconds: 5,000 on a socket; a child is waited for until it has finished. */
  close(options?: { timeout?: number }): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;

  on<Name extends keyof ClientEvents>(name: Name, listener: (...args: ClientEvents[Name]) => void): this;
  once<Name extends keyof ClientEvents>(name: Name, listener: (...args: ClientEvents[Name]) => void): this;
  off<Name extends keyof ClientEvents>(name: Name, listener: (...args: ClientEvents[Name]) => void): this;
}

/** $PUSHGATE_SOCKET, else pushgate.sock in $XDG_RUNTIME_DIR, else ~/.local/state/pushgate/pushgate.sock. */
export declare function defaultSocketPath(environment?: Record<string, string | undefined>): string;

/** A UUID version 7: keys sort by the time they were made. */
export declare function mintIdempotencyKey(now?: number): string;
