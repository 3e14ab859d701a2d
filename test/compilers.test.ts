import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "..");
const example = "examples/flux-instance.yaml";

// A thread that compiles may wait for a garbage collection by the main thread, which waits for it at the end: nodejs/node#54918.
for (const { program, args } of [
  { program: "src/cli/main.ts", args: ["build", "instance", "-f", example] },
  { program: "src/operator/main.ts", args: ["--kubeconfig=there-is-none"] },
])
  test(`${program} compiles nothing in a thread of its own`, () => {
    const { stdout } = spawnSync(process.execPath, ["--trace-baseline", program, ...args], {
      cwd: root,
      encoding: "utf8",
      env: { PATH: process.env["PATH"] ?? "" },
    });
    // Until the program itself runs, Node's own start is compiled as Node likes.
    const [, ...own] = stdout.split("[compiling method ");
    assert.notEqual(own.length, 0, "V8 compiles in the main thread");
    assert.doesNotMatch(own.join(), /\[Concurrent Sparkplug\] compiling/);
  });
