import { loadVex } from "../../../distribution/load.ts";
import {
  findingsFor,
  isVexFile,
  minorOf,
  openVexOf,
  readVex,
  vexPath,
  type RunningImage,
  type VexDocument,
  type VexFinding,
} from "../../../distribution/vex.ts";
import { fieldsOf, listOf, textOf } from "../../../kube/fields.ts";
import type { KubeObject } from "../../../kube/object.ts";
import { sha256Hex } from "../../../std/digest.ts";
import { canonicalJson } from "../../../std/json.ts";
import { operatorVersion } from "../../../std/version.ts";
import type { CatalogueOptions } from "../../catalogue.ts";
import { connectToCluster, instanceKind, type ClusterOptions } from "../../cluster.ts";
import { InputError } from "../../input.ts";
import { columns, plural } from "../../print.ts";
import { exitCodes, type Terminal } from "../../terminal.ts";

export type VulnerabilityOptions = ClusterOptions &
  CatalogueOptions & {
    readonly name: string;
    readonly namespace: string;
    readonly output: "table" | "json" | "openvex";
  };

/** Prints what is said of vulnerabilities of the images that run. Throws InputError, and as `connectToCluster` and ApiClient. */
export async function getVulnerabilities(
  options: VulnerabilityOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const { version, images } = await readRunning(options, terminal, signal);
  const document = await findStatements(version, options, terminal, signal);
  const findings = findingsFor(document, images);
  terminal.stderr.write(
    `Flux ${version}: ${plural(findings.length, "statement")} of ${document.author}, changed last on ${document.updated.slice(0, 10)}\n`,
  );
  terminal.stdout.write(printed(options.output, findings, document));
  return exitCodes.done;
}

type Running = { readonly version: string; readonly images: readonly RunningImage[] };

async function readRunning(
  { name, namespace, ...cluster }: VulnerabilityOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<Running> {
  const client = await connectToCluster(cluster, terminal);
  try {
    const instance = await client.getOrUndefined(instanceKind, { namespace, name }, signal);
    const running = instance === undefined ? undefined : runningOf(instance);
    if (running !== undefined) return running;
    const what = instance === undefined ? "is not there" : "has not installed anything yet";
    throw new InputError(
      `FluxInstance ${namespace}/${name} ${what}: name another one, or see whether its operator runs`,
    );
  } finally {
    await client.close();
  }
}

function runningOf({ status }: KubeObject): Running | undefined {
  const { lastAppliedVersion, lastAppliedRevision, components } = fieldsOf(status);
  const version = textOf(lastAppliedVersion) || (textOf(lastAppliedRevision).split("@")[0] ?? "").replace(/^v/, "");
  if (version === "") return undefined;
  const images = listOf(components)
    .map(fieldsOf)
    .map(({ name, repository, tag, digest }) => ({
      name: textOf(name),
      repository: textOf(repository),
      tag: textOf(tag),
      digest: textOf(digest),
    }));
  return { version, images };
}

async function findStatements(
  version: string,
  { distribution: place, distributionInsecure: insecure = false }: CatalogueOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<VexDocument> {
  if (place === undefined) {
    const embedded = loadVex(version);
    if (embedded !== undefined) return embedded;
    throw new InputError(`This operator has no statements about Flux ${minorOf(version)}: give --distribution`);
  }
  const { readArtifact } = await import("../../artifact-catalogue.ts");
  const files = await readArtifact({ place, insecure, keep: isVexFile }, terminal, signal);
  const path = vexPath(version);
  const file = files.get(path);
  if (file === undefined) throw new InputError(`--distribution ${place}: it has no ${path}`);
  return readVex(new TextDecoder().decode(file), path);
}

function printed(
  output: VulnerabilityOptions["output"],
  findings: readonly VexFinding[],
  document: VexDocument,
): string {
  if (output === "table") return tableOf(findings);
  if (output === "json") return `${JSON.stringify(findings, null, 2)}\n`;
  const id = sha256Hex(canonicalJson(openVexOf(findings, document, { id: "", tooling: "" })));
  return `${JSON.stringify(openVexOf(findings, document, { id, tooling: `flux-operator/${operatorVersion}` }), null, 2)}\n`;
}

function tableOf(findings: readonly VexFinding[]): string {
  const rows = findings.map(({ statement, images, packages }) => [
    statement.vulnerability,
    statement.status,
    packages.length > 0 ? packages.join(", ") : images.map(({ name }) => name).join(", "),
    statement.justification ?? "",
  ]);
  return columns([["VULNERABILITY", "STATUS", "ABOUT", "JUSTIFICATION"], ...rows]);
}
