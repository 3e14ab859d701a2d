import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { goTool } from "../../scripts/go-tool.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { isJsonObject } from "../../src/std/json.ts";
import { parseKubeYamlDocuments } from "../../src/std/yaml.ts";

/** Both majors: they store releases and apply objects in different ways. */
export const helmVersions = ["helm", "helm-4"] as const;
export type HelmVersion = (typeof helmVersions)[number];

export type ChartName = "flux-operator" | "flux-instance";

export type HelmRun = { readonly exitCode: number; readonly stdout: string; readonly stderr: string };

const never = new AbortController().signal;
const home = mkdtempSync(join(tmpdir(), "helm-"));
process.on("exit", () => rmSync(home, { recursive: true, force: true }));

/** The folder of one of our charts. */
export function chartFolder(chart: ChartName): string {
  return join(import.meta.dirname, "../../packaging/charts", chart);
}

/** Runs helm with a home of its own and, unless `kubeconfig` is given, without a cluster. */
export async function helm(version: HelmVersion, args: readonly string[], kubeconfig = "/dev/null"): Promise<HelmRun> {
  const binary = await goTool(version, never);
  const env = { PATH: process.env["PATH"], HOME: home, KUBECONFIG: kubeconfig };
  const { promise, resolve } = Promise.withResolvers<HelmRun>();
  execFile(binary, args, { env, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) =>
    resolve({ exitCode: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
  );
  return await promise;
}

/** As `helm`. Throws with what it said when it fails. */
export async function helmDone(version: HelmVersion, args: readonly string[], kubeconfig?: string): Promise<string> {
  const { exitCode, stdout, stderr } = await helm(version, args, kubeconfig);
  if (exitCode !== 0) throw new Error(`helm ${args.join(" ")} ended with ${exitCode}:\n${stderr}${stdout}`);
  return stdout;
}

/** What a chart makes of values, or what it says when it refuses them. */
export type Rendered = {
  readonly objects: readonly KubeObject[];
  /** Those that Helm applies at certain moments only. */
  readonly hooks: readonly KubeObject[];
  readonly notes: string;
};
export type Refused = { readonly refusal: string };

export type RenderOptions = { readonly release?: string; readonly namespace?: string };

/** Renders a chart with Helm 4, whose dry-run tells hooks and notes, too. */
export async function renderChart(
  chart: ChartName,
  values: JsonObject,
  { release = chart === "flux-operator" ? "flux-operator" : "flux", namespace = "flux-system" }: RenderOptions = {},
): Promise<Rendered | Refused> {
  const args = ["install", release, chartFolder(chart), "-n", namespace, "--dry-run=client", "-o", "json"];
  const { exitCode, stdout, stderr } = await helm("helm-4", [...args, ...setArgs(values)]);
  if (exitCode !== 0) return { refusal: stderr.trim() };
  const answer: unknown = JSON.parse(stdout);
  if (!isJsonObject(answer)) throw new Error(`Cannot read what helm rendered: ${stdout.slice(0, 200)}`);
  const hooks = listOf(answer["hooks"]).map((hook) => textOf(fieldsOf(hook)["manifest"]));
  return {
    objects: objectsIn(textOf(answer["manifest"])),
    hooks: hooks.flatMap(objectsIn),
    notes: textOf(fieldsOf(answer["info"])["notes"]),
  };
}

/** `renderChart` of values that are not refused. */
export async function rendered(chart: ChartName, values: JsonObject, options?: RenderOptions): Promise<Rendered> {
  const answer = await renderChart(chart, values, options);
  if ("refusal" in answer) throw new Error(`${chart} refuses ${JSON.stringify(values)}: ${answer.refusal}`);
  return answer;
}

/** All objects in a YAML text. */
export function objectsIn(manifest: string): readonly KubeObject[] {
  return parseKubeYamlDocuments(manifest) as readonly KubeObject[];
}

/** Values as arguments of helm: each as JSON, so that types and empty values are kept. */
export function setArgs(values: JsonObject): readonly string[] {
  return Object.entries(values).flatMap(([name, value]) => ["--set-json", `${name}=${JSON.stringify(value)}`]);
}
