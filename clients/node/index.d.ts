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
  basis?: string;
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

export interface TransferState {
  success: true;
  transfer_id: string;
  session_id: string;
  endgrate_type: string;
  state: "running" | "completed";
  created: string;
  completed_at?: string;
  records: number;
  finished: number;
  summary: Record<"created" | "updated" | "unchanged" | "refused" | "uncertain" | "unsent", number>;
  transfer_errors: boolean;
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

export interface PushOptions extends CallOptions {
  /** Wait for completion. Default true. */
  wait?: boolean;
  onProgress?: (progress: Progress) => void;
  /** Default: a new one that sorts by time. Give your own to make a push repeatable across runs of your program. */
  idempotencyKey?: string;
  synchronous?: boolean;
  disableUpsert?: boolean;
  bypassRateLimit?: boolean;
  progressToken?: string;
  /** Further members of `pushTransfer`, in the spelling of the wire or in camelCase. */
  [option: string]: unknown;
}

/** An accepted push. */
export declare class Transfer {
  private constructor();
  readonly id: string;
  readonly sessionId: string;
  readonly endgrateType: string;
  readonly idempotencyKey: string;
  /** The key was known: nothing new was accepted. */
  readonly duplicate: boolean;
  /** All events of the transfer come after it. */
  readonly eventCursor: string;
  readonly warnings: Warning[];
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
  type: "data" | "completed" | "error" | "progress" | "configuration" | (string & {});
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

  initiateSession(params: Params, options?: CallOptions): Promise<{
    success: true;
    session_id: string;
    created: boolean;
    changed?: boolean;
    warnings?: Warning[];
  }>;
  getConfiguration(params: { session_id: string }, options?: CallOptions): Promise<any>;
  listSessions(params?: { limit?: number; offset?: number }, options?: CallOptions): Promise<any>;
  deleteSession(
    params: { session_id: string; forget?: boolean },
    options?: CallOptions,
  ): Promise<{ success: true; session_id: string }>;
  pushTransfer(
    params: { session_id: string; endgrate_type: string; transfer_data: readonly PushRecord[] } & Params,
    options?: CallOptions,
  ): Promise<PushResult>;
  getTransfer(params: { transfer_id: string }, options?: CallOptions): Promise<TransferState>;
  getData(
    params: { transfer_id: string; endgrate_type?: string; limit?: number; offset?: number; partial?: boolean },
    options?: CallOptions,
  ): Promise<{ success: true; meta: PageMeta; transfer_data: ResultRow[]; transfer_errors: boolean }>;
  getErrors(
    params?: { transfer_id?: string; session_id?: string; limit?: number; offset?: number },
    options?: CallOptions,
  ): Promise<{ success: true; meta: PageMeta; errors: ErrorEntry[] }>;
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
