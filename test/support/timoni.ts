import { execFile } from "node:child_process";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { goTool } from "../../scripts/go-tool.ts";
import type { TimoniModule } from "../../scripts/timoni/modules.ts";
import type { JsonObject, JsonValue, KubeObject } from "../../src/kube/object.ts";
import { isJsonObject } from "../../src/std/json.ts";

/**
 * What stands here is Timoni's part, in its terms: a module is copied without the files that its timoni.ignore names, values.cue is written anew
 * with the values of the user, the schema of `timoni` is put beside it, and the objects are what `timoni.apply` comes to.
 */
export const timoniFolder = join(import.meta.dirname, "../../packaging/timoni");

const never = new AbortController().signal;

export type CueRun = { readonly exitCode: number; readonly stdout: string; readonly stderr: string };

/** Runs cue in a folder. */
export async function cue(args: readonly string[], folder: string): Promise<CueRun> {
  const binary = await goTool("cue", never);
  const { promise, resolve } = Promise.withResolvers<CueRun>();
  execFile(binary, args, { cwd: folder, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) =>
    resolve({ exitCode: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
  );
  return await promise;
}

/** The schema that Timoni holds every module to. Source: https://timoni.sh/module, https://timoni.sh/cue/module/health-checks. */
const timoniSchema = `package main
#Timoni: {
	apiVersion: "v1alpha1"
	instance: {...}
	apply: [string]: [...]
	healthChecks?: [string]: #HealthCheck
	kubeMinorVersion?: int
}
#HealthCheck: {
	group: string & =~"^[^/]+$"
	kind?: string
	#object: {...}
	current: bool
	failed?: bool
	inProgress?: bool
	...
}
timoni: #Timoni
`;

export type TimoniOptions = {
  readonly name?: string;
  readonly namespace?: string;
  readonly kubeVersion?: string;
  /** The folder of the module; by default that of the project. */
  readonly folder?: string;
};

/** Values by their paths, or a values file in CUE. */
export type ModuleValues = JsonObject | string;

/** What CUE makes of `expression` in a module with values, or what it says when it refuses them. */
export async function evaluate(
  module: TimoniModule,
  values: ModuleValues,
  { expression, ...options }: TimoniOptions & { readonly expression: string },
): Promise<CueRun> {
  const {
    name = module === "flux-operator" ? "flux-operator" : "flux",
    namespace = "flux-system",
    kubeVersion = "1.33.0",
    folder = join(timoniFolder, module),
  } = options;
  const copy = await mkdtemp(join(tmpdir(), "timoni-"));
  try {
    await cp(folder, copy, { recursive: true });
    const written = typeof values === "string" ? values : `values: ${JSON.stringify(nested(values))}\n`;
    await writeFile(join(copy, "values.cue"), `package main\n${written}`);
    await writeFile(join(copy, "timoni.schema.cue"), timoniSchema);
    const tags = [`name=${name}`, `namespace=${namespace}`, "mv=0.0.0-devel", `kv=${kubeVersion}`];
    return await cue(["export", "-e", expression, ...tags.flatMap((tag) => ["-t", tag]), "--out", "json"], copy);
  } finally {
    await rm(copy, { recursive: true });
  }
}

/**
 * The objects that a module makes of values; with them, as for Timoni, everything that they are made of has to be concrete. Throws with what CUE
 * says when it refuses the values.
 */
export async function built(
  module: TimoniModule,
  values: ModuleValues,
  options: TimoniOptions = {},
): Promise<readonly KubeObject[]> {
  const expression = "[timoni.instance, timoni.apply.app]";
  const { exitCode, stdout, stderr } = await evaluate(module, values, { ...options, expression });
  if (exitCode !== 0) throw new Error(`${module} refuses ${JSON.stringify(values)}: ${stderr}`);
  const [, objects]: readonly [object, readonly KubeObject[]] = JSON.parse(stdout);
  return objects;
}

/** In the words of kstatus, as Timoni has them. */
export type Health = "Failed" | "Current" | "InProgress";

/**
 * What the module's health check says of an instance: the first expression that is true wins, and one that needs what the instance does not have
 * is not. Throws when one cannot be evaluated.
 */
export async function healthOf(instance: KubeObject): Promise<Health> {
  for (const [field, health] of [
    ["failed", "Failed"],
    ["current", "Current"],
  ] as const) {
    const check = `timoni.healthChecks["fluxcd.controlplane.io/FluxInstance"] & {#object: ${JSON.stringify(instance)}}`;
    const { exitCode, stdout, stderr } = await evaluate("flux-instance", {}, { expression: `(${check}).${field}` });
    if (exitCode === 0 && stdout.trim() === "true") return health;
    if (exitCode !== 0 && !stderr.includes("cannot reference optional field") && !stderr.includes("undefined field"))
      throw new Error(`Cannot evaluate ${field}: ${stderr}`);
  }
  return "InProgress";
}

/** `{ "a.b": 1 }` as `{ a: { b: 1 } }`. */
function nested(values: JsonObject): JsonObject {
  return Object.entries(values).reduce<JsonObject>((all, [path, value]) => placed(all, path.split("."), value), {});
}

function placed(all: JsonObject, [name = "", ...below]: readonly string[], value: JsonValue): JsonObject {
  const here = all[name];
  return { ...all, [name]: below.length === 0 ? value : placed(isJsonObject(here) ? here : {}, below, value) };
}
