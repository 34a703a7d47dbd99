import type { PushgateError } from "./index.js";

/** Largest line of a request, in bytes, unless the gateway says otherwise. */
export declare const MAX_REQUEST_BYTES: number;
/** Largest line of a reply that is read, in bytes. */
export declare const MAX_REPLY_BYTES: number;

export type Message =
  | { kind: "result"; id: number; method: string; result: any }
  | { kind: "error"; id: number; method: string; error: PushgateError }
  | { kind: "unaddressed"; error: PushgateError }
  | { kind: "notification"; method: string; params: Record<string, any> }
  | { kind: "malformed"; reason: string };

/** The wire without sockets: bring your own transport. */
export declare class Conversation {
  constructor(options?: { maxReplyBytes?: number });
  maxRequestBytes: number;
  readonly inFlight: number;
  readonly pendingIds: number[];
  request(method: string, params?: unknown, options?: { paramsText?: string }): { id: number; bytes: Uint8Array };
  notification(method: string, params?: unknown): Uint8Array;
  receive(chunk: Uint8Array): Message[];
}
