export { Client, defaultSocketPath } from "./client.js";
export { ConnectionLost, ErrorCode, PushgateError } from "./errors.js";
export { Plan } from "./plan.js";
export { Subscription } from "./subscription.js";
export { mintIdempotencyKey, Transfer } from "./transfer.js";
