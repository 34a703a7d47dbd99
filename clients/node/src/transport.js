// The two ways to a gateway: a Unix socket, and a child process that speaks on its stdin and stdout. Both give a
// channel: `write`, `end` (no more input from us), `destroy`, and three callbacks, of which `onClose` is called once,
// last.

import { spawn } from "node:child_process";
import { close, constants, open } from "node:fs";
import net from "node:net";
import path from "node:path";
import { promisify } from "node:util";

import { ConnectionLost } from "./errors.js";

/** sockaddr_un.sun_path has 108 bytes on Linux, one of them is the NUL. */
const MAX_PATH_BYTES = process.platform === "linux" ? 107 : 103;
/** So much of a child's stderr is kept for the message of the error that its end becomes. */
const STDERR_TAIL = 2048;

// Worth another try: the gateway restarts, its socket is about to be replaced, or its backlog is full.
const transient = new Set(["ENOENT", "ECONNREFUSED", "ECONNRESET", "EPIPE", "EAGAIN", "ETIMEDOUT"]);

/** Connects to the socket at `socketPath`. Rejects with ConnectionLost when nobody listens there (yet). */
export async function connectSocket(socketPath, { signal } = {}) {
  const directory = Buffer.byteLength(socketPath) > MAX_PATH_BYTES ? await openDirectory(socketPath) : undefined;
  try {
    const short = directory === undefined ? socketPath : `/proc/self/fd/${directory}/${path.basename(socketPath)}`;
    return await connectShort(short, socketPath, signal);
  } finally {
    if (directory !== undefined) await promisify(close)(directory);
  }
}

/** A path that is too long for a socket address is reached through a descriptor of its directory. */
async function openDirectory(socketPath) {
  const name = path.basename(socketPath);
  if (process.platform !== "linux" || Buffer.byteLength(name) > 80) {
    throw new RangeError(
      `The socket path has ${Buffer.byteLength(socketPath)} bytes, ${MAX_PATH_BYTES} is the most: ${socketPath}`,
    );
  }
  try {
    return await promisify(open)(path.dirname(socketPath), constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (cause) {
    throw unreachable(socketPath, cause);
  }
}

function connectShort(address, socketPath, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const socket = net.connect({ path: address });
    const onAbort = () => {
      socket.destroy();
      reject(signal.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    const onError = (cause) => {
      signal?.removeEventListener("abort", onAbort);
      reject(unreachable(socketPath, cause));
    };
    socket.once("error", onError);
    socket.once("connect", () => {
      signal?.removeEventListener("abort", onAbort);
      socket.off("error", onError);
      resolve(new SocketChannel(socket));
    });
  });
}

function unreachable(socketPath, cause) {
  if (!transient.has(cause.code)) return cause;
  const why = cause.code === "ENOENT" ? "there is no socket" : `nobody answers (${cause.code})`;
  return new ConnectionLost(`No gateway at ${socketPath}: ${why}. Start one with: pushgate serve`, {
    outcome: "not_started",
    cause,
  });
}

class SocketChannel {
  onBytes = () => {};
  onClose = () => {};
  #socket;

  constructor(socket) {
    this.#socket = socket;
    let failure;
    socket.on("data", (chunk) => this.onBytes(chunk));
    socket.on("error", (error) => {
      failure = error;
    });
    socket.on("close", () =>
      this.onClose(new ConnectionLost("The gateway closed the connection.", { cause: failure })),
    );
  }

  write(bytes) {
    this.#socket.write(bytes);
  }

  end() {
    this.#socket.end();
  }

  destroy() {
    this.#socket.destroy();
  }

  /** Our end of the connection goes, the gateway stays: there is nothing to be patient about for long. */
  defaultCloseTimeout = 5_000;
}

/** Starts `binary` with `args` and speaks on its stdin and stdout. Rejects if it cannot be executed. */
export function spawnGateway(binary, args, { signal, log } = {}) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const child = spawn(binary, args, { stdio: ["pipe", "pipe", "pipe"] });
    child.once("error", (cause) => {
      const hint = cause.code === "ENOENT" ? ": set `binary` or PUSHGATE_BINARY" : "";
      reject(new Error(`Cannot start ${binary} (${cause.code})${hint}.`, { cause }));
    });
    child.once("spawn", () => resolve(new ChildChannel(child, binary, log)));
  });
}

class ChildChannel {
  onBytes = () => {};
  onClose = () => {};
  #child;

  constructor(child, binary, log) {
    this.#child = child;
    const stderr = new LineTail(log);
    child.stdout.on("data", (chunk) => this.onBytes(chunk));
    child.stderr.on("data", (chunk) => stderr.take(chunk));
    // The errors of the pipes say less than the end of the process, which is reported below.
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on("error", () => {});
    child.on("error", () => {});
    child.once("close", (code, killedBy) => {
      const how = killedBy === null ? `ended with code ${code}` : `was ended by ${killedBy}`;
      const said = stderr.finish();
      this.onClose(new ConnectionLost(`${binary} ${how}${said === "" ? "." : `: ${said}`}`));
    });
  }

  write(bytes) {
    this.#child.stdin.write(bytes);
  }

  end() {
    this.#child.stdin.end();
  }

  /** SIGTERM lets it drain. What is not done by then is on disk and goes on at the next start. */
  destroy() {
    this.#child.stdin.destroy();
    this.#child.kill("SIGTERM");
    setTimeout(() => this.#child.kill("SIGKILL"), 3_000).unref();
  }

  /** It runs accepted transfers to their completion after the end of its input: that takes what it takes. */
  defaultCloseTimeout = Infinity;
}

class LineTail {
  #log;
  #rest = "";
  #tail = "";
  #decoder = new TextDecoder();

  constructor(log) {
    this.#log = log;
  }

  take(chunk) {
    const text = this.#decoder.decode(chunk, { stream: true });
    this.#tail = (this.#tail + text).slice(-STDERR_TAIL);
    if (this.#log === undefined) return;
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop();
    for (const line of lines) this.#log(line);
  }

  finish() {
    if (this.#log !== undefined && this.#rest !== "") this.#log(this.#rest);
    this.#rest = "";
    return this.#tail.trim();
  }
}
