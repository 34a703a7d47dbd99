// The examples of the README, each as a program of its own.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

export function examples() {
  const text = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  return [...text.matchAll(/^## (.+?)$(?:(?!^## )[^])*?^```js\n([^]*?)^```/gm)].map(([, title, code]) => ({ title, code }));
}

/** Runs a program in the package's folder, where `import "pushgate"` means this package. */
export function run(code, socket) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ["--input-type=module", "--eval", code], {
      cwd: root,
      env: { ...process.env, PUSHGATE_SOCKET: socket },
      timeout: 15_000,
    });
    const result = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"]) {
      child[name].setEncoding("utf8").on("data", (text) => {
        result[name] += text;
      });
    }
    child.on("close", (status) => resolve({ ...result, status }));
  });
}

/** What each example prints: the ids and cursors are the gateway's own. */
export const expected = {
  Push: /^Contact1 \S+ (created|unchanged|updated)\nContact2 \S+ (created|unchanged|updated)\n$/,
  "Progress and patience": /(^\d+ of 500\n)*\{[^]*created: \d+[^]*\}\n$/,
  "A source of any length": /^2500\n$/,
  "Look before you push": /^Plan1 update Robert\nPlan2 create \n1 true true\n2 true\n$/,
  "What failed": /^0 transfer_data\ncreated\ntrue\n$/,
  "When nobody knows": /^uncertain\n1 0\n101 updated\n$/,
  "Lists, and who is who": /^completed true\nnode-example\n2\n809\n$/,
  Webhooks: /^completed pending 1\n1\ntrue\n$/,
  Events: /^data \S+\ncompleted \S+\n$/,
  Errors: /^transfer_not_found true\n$/,
  "Every method":
    /^crm-company,crm-contact\ncompleted 1\n0 true\ncreated\n0 false\n0\n1\n3 true\n1\ntrue true\ntrue true 1\.3\.2\n$/,
};
