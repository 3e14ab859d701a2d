import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { goTool } from "../../scripts/go-tool.ts";
import { fieldsOf, listOf } from "../../src/kube/fields.ts";
import { errorMessage } from "../../src/std/errors.ts";
import { officialAbsent, officialFolder, readOfficialArtifact } from "../support/official-artifact.ts";
import { pushImage, startRegistry } from "../support/registry.ts";
import { tarGzOf } from "../support/tarball.ts";
import { toVersion } from "./instance.ts";
import type { Outcome, Row, Sample } from "./row.ts";

const program = join(import.meta.dirname, "distribution-process.ts");
/** Processes of each kind. */
const runs = 5;

const embeddedIdle: Row = {
  measure: "resident memory before any embedded release",
  unit: "MB",
  note: "everything imported and nothing read; the stripping of types is in it, which a bundle does not need",
};
const folderIdle: Row = { measure: "resident memory before the official artifact from a folder", unit: "MB" };
const registryIdle: Row = { measure: "resident memory before the official artifact from a registry", unit: "MB" };
const first: Row = { measure: `load the embedded ${toVersion}, first in a process`, unit: "ms", goal: 10 };
const again: Row = { measure: `load the embedded ${toVersion}, again`, unit: "ms", goal: 10 };
const others: Row = { measure: "load another embedded release", unit: "ms", goal: 10, note: "all of them, one by one" };
const embeddedMemory: Row = { measure: "resident memory after one embedded release", unit: "MB" };
const eachMemory: Row = { measure: "resident memory after all embedded releases", unit: "MB" };
const open: Row = { measure: "read the files of the official artifact from a folder", unit: "ms" };
const release: Row = { measure: `read ${toVersion} of the official artifact`, unit: "ms" };
const folderMemory: Row = { measure: "resident memory after the official artifact from a folder", unit: "MB" };
const pull: Row = { measure: "pull the official artifact from a local registry", unit: "ms" };
const registryMemory: Row = { measure: "resident memory after the official artifact from a registry", unit: "MB" };
const heldIdle: Row = { measure: "resident memory before the official artifact as the operator holds it", unit: "MB" };
const held: Row = { measure: `pull the official artifact and read ${toVersion} as the operator does`, unit: "ms" };
const turn: Row = { measure: "longest turn of that", unit: "ms", note: "in which nothing else is done" };
const heldMemory: Row = { measure: "resident memory after the official artifact as the operator holds it", unit: "MB" };

const registryRows = [registryIdle, pull, registryMemory];
const heldRows = [heldIdle, held, turn, heldMemory];

type Way = {
  readonly args: readonly string[];
  readonly rows: { readonly [time: string]: Row };
  readonly idle: Row;
  readonly memory: Row;
};

/** The ways to a release, each in processes of their own, so that none warms the next and memory is its own. */
export async function measureDistribution(signal: AbortSignal): Promise<readonly Outcome[]> {
  const one = { args: ["embedded", toVersion], rows: { first, again }, memory: embeddedMemory };
  const each = { args: ["each"], rows: { others }, memory: eachMemory };
  const embedded = [
    ...(await repeat({ ...one, idle: embeddedIdle }, signal)),
    ...(await repeat({ ...each, idle: embeddedIdle }, signal)),
  ];
  return [{ kind: "measured", samples: embedded }, await measureFolder(signal), await measureRegistry(signal)];
}

async function measureFolder(signal: AbortSignal): Promise<Outcome> {
  if (officialAbsent !== undefined)
    return { kind: "skipped", rows: [folderIdle, open, release, folderMemory], because: officialAbsent };
  const way = { args: ["folder", toVersion, officialFolder], rows: { open, release }, memory: folderMemory };
  return { kind: "measured", samples: await repeat({ ...way, idle: folderIdle }, signal) };
}

async function measureRegistry(signal: AbortSignal): Promise<Outcome> {
  const because = officialAbsent ?? (await toolsAbsent(signal));
  if (because !== undefined) return { kind: "skipped", rows: [...registryRows, ...heldRows], because };
  const folder = await mkdtemp(join(tmpdir(), "flux-operator-bench-"));
  try {
    await using registry = await startRegistry({ kind: "open" }, signal);
    const tarball = join(folder, "artifact.tgz");
    await writeFile(tarball, await tarGzOf(Object.fromEntries(readOfficialArtifact())));
    const to = `${registry.host}/bench/manifests:latest`;
    await pushImage({ tarball, to }, signal);
    const place = [toVersion, `oci://${to}`];
    const pulled = { args: ["registry", ...place], rows: { pull }, idle: registryIdle, memory: registryMemory };
    const kept = { args: ["held", ...place], rows: { held, turn }, idle: heldIdle, memory: heldMemory };
    return { kind: "measured", samples: [...(await repeat(pulled, signal)), ...(await repeat(kept, signal))] };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Why there is no registry to measure with. */
export async function toolsAbsent(signal: AbortSignal): Promise<string | undefined> {
  try {
    await goTool("registry", signal);
    await goTool("crane", signal);
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    return `no registry and crane here: ${errorMessage(error).split("\n")[0]}`;
  }
}

async function repeat({ args, rows, idle, memory }: Way, signal: AbortSignal): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  for (let run = 0; run < runs; run += 1) {
    const { stdout } = await promisify(execFile)(process.execPath, [program, ...args], { signal });
    const { times, idleBytes, residentBytes } = fieldsOf(JSON.parse(stdout));
    samples.push({ row: idle, value: Number(idleBytes) });
    for (const [name, row] of Object.entries(rows))
      samples.push(...listOf(fieldsOf(times)[name]).map((value) => ({ row, value: Number(value) })));
    samples.push({ row: memory, value: Number(residentBytes) });
  }
  return samples;
}
