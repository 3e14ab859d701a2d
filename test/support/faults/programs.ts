import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, readdir, readlink } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { basename, join } from "node:path";
import { untilReady } from "../../../scripts/control-plane/cluster.ts";
import { killChild, startChild, type Child } from "../../../scripts/control-plane/processes.ts";
import type { Rest } from "../../../scripts/control-plane/rest.ts";
import { fieldsOf } from "../../../src/kube/fields.ts";
import type { JsonObject } from "../../../src/kube/object.ts";
import { systemClock } from "../../../src/std/clock.ts";
import type { ControlPlane } from "../control-plane.ts";

/** What a program was started with, its path first. */
export type CommandLine = readonly string[];

const started: Child[] = [];

/** Kills a program of the cluster; resolves, once it is dead, to what starts it again. An etcd is called by its own name: "etcd-2". */
export async function endProgram(plane: ControlPlane, name: string): Promise<CommandLine> {
  const { pid, command } = await programOf(plane, name);
  process.kill(pid, "SIGKILL");
  const deadline = AbortSignal.timeout(10_000);
  // Its last threads hold its ports while the first one is a zombie: only when nothing is left of it are they free.
  while (existsSync(`/proc/${pid}`)) await systemClock.sleep(10, deadline);
  return command;
}

/** The same for some, one after another; what starts them again is in their order. */
export async function endPrograms(plane: ControlPlane, names: readonly string[]): Promise<readonly CommandLine[]> {
  const commands: CommandLine[] = [];
  for (const name of names) commands.push(await endProgram(plane, name));
  return commands;
}

/** In the cluster's folder. It lives until `endProgram` or `endStarted`, or until this process ends. */
export function startProgram({ folder }: ControlPlane, [path = "", ...args]: CommandLine): Child {
  const child = startChild(folder, { name: `again-${started.length}`, path, args });
  started.push(child);
  return child;
}

export async function commandLineOf(plane: ControlPlane, name: string): Promise<CommandLine> {
  return (await programOf(plane, name)).command;
}

/** Ends what `startProgram` has started; the cluster ends only what it has started itself. */
export async function endStarted(): Promise<void> {
  for (const child of started.splice(0)) await killChild(child);
}

/** Waits for an API server that was started again. */
export async function untilServed(rest: Rest): Promise<void> {
  await untilReady(rest, AbortSignal.timeout(120_000));
}

/** Posts to etcd's own API, which is JSON over HTTP besides gRPC. */
export async function askEtcd({ folder }: ControlPlane, name: string, path: string, body: object): Promise<JsonObject> {
  const sent = httpRequest({
    socketPath: join(folder, `${name}:1`),
    method: "POST",
    path,
    signal: AbortSignal.timeout(10_000),
  });
  sent.end(JSON.stringify(body));
  const [answer] = await once(sent, "response");
  return fieldsOf(JSON.parse(await new Response(answer).text()));
}

/** Told from those of other clusters by the folder in which it runs. */
async function programOf(
  { folder }: ControlPlane,
  name: string,
): Promise<{ readonly pid: number; readonly command: CommandLine }> {
  for (const pid of (await readdir("/proc")).filter((entry) => /^\d+$/.test(entry)).map(Number)) {
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => undefined);
    if (cwd !== folder) continue;
    const command = await commandOf(pid);
    if (nameOf(command) === name) return { pid, command };
  }
  throw new Error(`No ${name} runs in ${folder}`);
}

function nameOf(command: CommandLine): string {
  const program = basename(command[0] ?? "");
  return command.find((arg) => program === "etcd" && arg.startsWith("--name="))?.slice("--name=".length) ?? program;
}

/** Empty for a process that has ended. */
async function commandOf(pid: number): Promise<CommandLine> {
  const text = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return text === "" ? [] : text.split("\0").slice(0, -1);
}
