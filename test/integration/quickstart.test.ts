import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

const root = join(import.meta.dirname, "../..");
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "quickstart-test-"));
});
after(async () => {
  await rm(folder, { recursive: true, force: true });
});

type Ended = { readonly code: number | null; readonly output: string };

/** Runs the quickstart with a temporary folder of its own; `interruptAt` is a line at which it gets a SIGINT. */
async function quickstart(interruptAt?: string): Promise<Ended> {
  const child = spawn(process.execPath, ["scripts/quickstart.ts", "--once"], {
    cwd: root,
    env: { ...process.env, TMPDIR: folder },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => {
      output += text;
      if (interruptAt !== undefined && text.includes(interruptAt)) child.kill("SIGINT");
    });
  }
  const [code] = await once(child, "close");
  return { code: typeof code === "number" ? code : null, output };
}

/** Command lines of processes that live in the temporary folder. */
async function processesLeft(): Promise<readonly string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")), // it has ended meanwhile
  );
  return lines.filter((line) => line.includes(folder));
}

test("quickstart --once ends with a ready Flux, its table, and nothing left behind", async () => {
  const { code, output } = await quickstart();
  assert.equal(code, 0, output);
  for (const part of [
    /Ready +True +ReconciliationSucceeded +Applied version 2\.2\.3 revision [0-9a-f]{7}/,
    /UpToDate +False +NewVersionAvailable +Upgrade to latest version 2\.9\.4 blocked by semver range 2\.2\.x/,
    /source-controller-shard2 +1\/1/,
    /ghcr\.io\/controlplaneio-fluxcd\/distroless\/source-controller:v1\.2\.5 +sha256:afd50536/,
  ]) {
    assert.match(output, part);
  }
  assert.deepEqual(await readdir(folder), []);
  assert.deepEqual(await processesLeft(), []);
});

test("quickstart leaves nothing behind when it is interrupted while Flux is being installed", async () => {
  const { code } = await quickstart("Installing Flux");
  assert.equal(code, 130);
  assert.deepEqual(await readdir(folder), []);
  assert.deepEqual(await processesLeft(), []);
});
