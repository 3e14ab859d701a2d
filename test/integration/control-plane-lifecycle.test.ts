import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "../../scripts/control-plane/processes.ts";

const script = join(import.meta.dirname, "../support/control-plane-owner.ts");
const processes = join(import.meta.dirname, "../../scripts/control-plane/processes.ts");
// Tells whose a process is by its working folder, which only Linux shows.
const skip = process.platform === "linux" ? false : "needs /proc";

const owners: Owner[] = [];
let root: string;
before(async () => (root = await mkdtemp(join(tmpdir(), "control-plane-lifecycle-"))));
after(() => {
  for (const owner of owners) owner.kill("SIGKILL");
});
after(() => rm(root, { recursive: true, force: true }));

for (const { name, end } of [
  { name: "is killed", end: (owner: Owner) => owner.kill("SIGKILL") },
  { name: "is interrupted", end: (owner: Owner) => owner.kill("SIGINT") },
]) {
  test(`a cluster that is still starting leaves nothing behind when its owner ${name}`, { skip }, async () => {
    const parent = await emptyFolder();
    const owner = startOwner(parent, ["light", "wait"]);
    const folder = await untilDefined(() => runningIn(parent, 2));
    end(owner);
    await once(owner, "close");
    await untilEmpty(parent);
    assert.deepEqual(await processesIn(folder), []);
  });
}

test("a running cluster leaves nothing behind when its owner is killed", { skip }, async () => {
  const parent = await emptyFolder();
  const owner = startOwner(parent, ["full", "wait"]);
  const folder = await firstLine(owner);
  assert.equal((await processesIn(folder)).length, 5);
  owner.kill("SIGKILL");
  await untilEmpty(parent);
  assert.deepEqual(await processesIn(folder), []);
});

test(
  "a running cluster does not keep its owner alive, and leaves nothing behind when that ends without a stop",
  { skip },
  async () => {
    const parent = await emptyFolder();
    const owner = startOwner(parent, ["light", "exit"]);
    const [folder, [code]] = await Promise.all([firstLine(owner), once(owner, "exit")]);
    assert.equal(code, 0);
    await untilEmpty(parent);
    assert.deepEqual(await processesIn(folder), []);
  },
);

test("components die with a supervisor that is killed, and the next start removes its folder", { skip }, async () => {
  const parent = await emptyFolder();
  const owner = startOwner(parent, ["light", "wait"]);
  const folder = await untilDefined(() => runningIn(parent, 2));
  process.kill(supervisorOf(folder), "SIGKILL");
  owner.kill("SIGKILL");
  await untilDefined(async () => ((await processesIn(folder)).length === 0 ? true : undefined));
  const next = startOwner(parent, ["light", "wait"]);
  await untilDefined(async () =>
    (await readdir(parent)).some((name) => join(parent, name) === folder) ? undefined : true,
  );
  next.kill("SIGKILL");
  await untilEmpty(parent);
});

test("a component whose supervisor was killed before the kernel watched it does not begin", { skip }, async () => {
  const folder = await emptyFolder();
  const started = join(folder, "started");
  const printed = `import { dieWithParent } from ${JSON.stringify(processes)};
    console.log(JSON.stringify(dieWithParent({ path: "touch", args: [${JSON.stringify(started)}] })))`;
  const supervisor = spawn(process.execPath, ["--input-type=module", "--eval", printed], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const command: Command = JSON.parse(await textOf(supervisor.stdout));
  const [code] = await once(spawn(command.path, command.args, { stdio: "inherit" }), "exit");
  assert.deepEqual([code, await readdir(folder)], [1, []]);
});

test("a start that fails names the component and shows its last lines", { skip }, async () => {
  const parent = await emptyFolder();
  const owner = startOwner(
    parent,
    ["light", "wait"],
    await fakeBinaries({ "kube-apiserver": "echo no such flag >&2; exit 3" }),
  );
  const said = await textOf(owner.stderr);
  assert.match(said, /Cannot start the cluster: kube-apiserver ended \(exit code 3\), its last lines:\nno such flag\n/);
  await untilEmpty(parent);
});

test("an API server that loses its port to somebody else gets another", { skip }, async () => {
  const parent = await emptyFolder();
  const server =
    'echo x >> starts; [ $(wc -l < starts) = 1 ] && echo "bind: address already in use" || echo "second start"; exit 1';
  const owner = startOwner(parent, ["light", "wait"], await fakeBinaries({ "kube-apiserver": server }));
  assert.match(await textOf(owner.stderr), /its last lines:\nsecond start\n/);
  await untilEmpty(parent);
});

type Owner = ChildProcessByStdio<null, Readable, Readable>;

function startOwner(parent: string, args: readonly string[], assets = process.env["KUBEBUILDER_ASSETS"] ?? ""): Owner {
  const env = { ...process.env, TMPDIR: parent, KUBEBUILDER_ASSETS: assets };
  const owner = spawn(process.execPath, [script, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  owners.push(owner);
  return owner;
}

function emptyFolder(): Promise<string> {
  return mkdtemp(join(root, "t-"));
}

async function fakeBinaries(scripts: Readonly<Record<string, string>>): Promise<string> {
  const folder = await emptyFolder();
  await mkdir(folder, { recursive: true });
  const all = { etcd: "sleep 60", kubectl: "true", ...scripts };
  const write = ([name, script]: [string, string]): Promise<void> =>
    writeFile(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  await Promise.all(Object.entries(all).map(write));
  return folder;
}

async function firstLine(owner: Owner): Promise<string> {
  const [chunk]: unknown[] = await once(owner.stdout, "data");
  return String(chunk).trim();
}

async function textOf(stream: Readable): Promise<string> {
  return Buffer.concat(await stream.toArray()).toString();
}

/** The cluster's folder in `parent` once so many components run there. */
async function runningIn(parent: string, components: number): Promise<string | undefined> {
  const [name] = await readdir(parent);
  if (name === undefined) return undefined;
  const folder = join(parent, name);
  return (await processesIn(folder)).length >= components ? folder : undefined;
}

function supervisorOf(folder: string): number {
  return Number(/flux-operator-cluster-(\d+)-/.exec(folder)?.[1]);
}

/** Ids of the processes whose working folder is that one, whether it still exists or not. */
async function processesIn(folder: string): Promise<readonly string[]> {
  const ids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const folders = await Promise.all(ids.map((id) => readlink(`/proc/${id}/cwd`).catch(() => "")));
  return ids.filter((_, index) => folders[index]?.replace(/ \(deleted\)$/, "") === folder);
}

async function untilEmpty(parent: string): Promise<void> {
  await untilDefined(async () => ((await readdir(parent)).length === 0 ? true : undefined));
}

async function untilDefined<T>(find: () => Promise<T | undefined>): Promise<T> {
  const timeout = AbortSignal.timeout(20_000);
  for (;;) {
    const found = await find();
    if (found !== undefined) return found;
    timeout.throwIfAborted();
    await sleep(20);
  }
}
