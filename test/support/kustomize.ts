import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { goTool } from "../../scripts/go-tool.ts";
import type { JsonValue } from "../../src/std/json.ts";
import { formatYaml, parseKubeYamlDocuments } from "../../src/std/yaml.ts";

const run = promisify(execFile);

/** One patch entry of a kustomization; the target is left out when undefined. */
export type KustomizePatch = { readonly patch: string; readonly target?: { readonly [field: string]: string } };
export type KustomizeCase = { readonly resources: readonly JsonValue[]; readonly patches: readonly KustomizePatch[] };

/** What kustomize made of a case: the objects, or its words when it refused. */
export type KustomizeOutcome =
  | { readonly kind: "built"; readonly objects: readonly JsonValue[] }
  | { readonly kind: "refused"; readonly message: string };

/** Builds each case in a process of its own, two at a time: one that is refused would take a shared build with it. */
export async function kustomizeBuild(
  cases: readonly KustomizeCase[],
  signal: AbortSignal,
): Promise<readonly KustomizeOutcome[]> {
  const binary = await goTool("kustomize", signal);
  const directory = await mkdtemp(join(tmpdir(), "kustomize-"));
  const outcomes: KustomizeOutcome[] = [];
  const queue = cases.entries();
  const work = async (): Promise<void> => {
    for (const [index, entry] of queue) {
      outcomes[index] = await buildCase(binary, { folder: join(directory, String(index)), entry, signal });
    }
  };
  try {
    await Promise.all([work(), work()]);
    return outcomes;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

type Build = { readonly folder: string; readonly entry: KustomizeCase; readonly signal: AbortSignal };

async function buildCase(binary: string, { folder, entry, signal }: Build): Promise<KustomizeOutcome> {
  await mkdir(folder);
  const { resources, patches } = entry;
  await writeFile(join(folder, "resources.yaml"), resources.map((resource) => `---\n${formatYaml(resource)}`).join(""));
  await writeFile(join(folder, "kustomization.yaml"), JSON.stringify({ resources: ["resources.yaml"], patches }));
  try {
    const { stdout } = await run(binary, ["build", folder], { signal, maxBuffer: 64 * 1024 * 1024 });
    return { kind: "built", objects: parseKubeYamlDocuments(stdout) };
  } catch (cause) {
    if (signal.aborted || !(cause instanceof Error) || !("stderr" in cause)) throw cause;
    return { kind: "refused", message: String(cause.stderr) };
  }
}
