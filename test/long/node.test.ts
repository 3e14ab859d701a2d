import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { nodeAbsent } from "../../scripts/control-plane/node/absent.ts";
import { startControlPlane, type ControlPlane } from "../support/control-plane.ts";

const run = promisify(execFile);
const absent = nodeAbsent();

async function said(program: string, ...args: readonly string[]): Promise<string> {
  return (await run(program, args)).stdout;
}

/** What a node must leave as it was: links, routes, rules, mounts, settings of the kernel and cgroups. */
async function machine(): Promise<{ readonly [what: string]: string }> {
  const settings = ["vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", "net/ipv4/ip_forward"];
  return {
    links: (await said("ip", "-brief", "link")).replace(/^(\S+).*$/gm, "$1"),
    routes: await said("ip", "route"),
    rules: await said("nft", "list", "ruleset"),
    mounts: readFileSync("/proc/self/mounts", "utf8"),
    settings: settings.map((path) => readFileSync(`/proc/sys/${path}`, "utf8").trim()).join(" "),
    cgroups: readdirSync("/sys/fs/cgroup")
      .map((name) => `${name}: ${folders(`/sys/fs/cgroup/${name}`)}`)
      .join("\n"),
  };
}

function folders(path: string): string {
  return readdirSync(path, { withFileTypes: true })
    .flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
    .join(" ");
}

describe("a real node", { concurrency: 1, skip: absent ?? false }, () => {
  let plane: ControlPlane;
  let untouched: { readonly [what: string]: string };

  before(async () => {
    untouched = await machine();
    plane = await startControlPlane({ variant: "node" });
  });
  after(async () => {
    await plane.stop();
    assert.deepEqual(await machine(), untouched, "the machine is as it was");
  });

  test("is Ready and answers for names of Services", async () => {
    const node = await plane.rest.get("/api/v1/nodes/real-1");
    assert.match(JSON.stringify(node["status"]), /"containerRuntimeVersion":"containerd:/);
  });
});
