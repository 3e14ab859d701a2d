import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { goTool } from "../../scripts/go-tool.ts";
import { fieldsOf } from "../../src/kube/fields.ts";
import { errorMessage } from "../../src/std/errors.ts";
import { formatYaml, parseKubeYaml, parseKubeYamlDocuments } from "../../src/std/yaml.ts";
import { readRenderInput, render } from "../support/build-from-yaml.ts";
import { procAbsent, runToEnd } from "./process.ts";
import type { Outcome, Row, Sample } from "./row.ts";

const example = resolve(import.meta.dirname, "../../examples/flux-instance-rfc.yaml");

const processRow: Row = {
  measure: "`kustomize build` process",
  unit: "ms",
  note: "of the RFC's example: its objects as YAML in a folder, and its patches; all else of a render is done already",
};
const memory: Row = { measure: "resident memory, `kustomize build` process", unit: "MB", note: "its peak" };
const ours: Row = { measure: "our whole render of the same, warm", unit: "ms" };
const times = 10;

/** kustomize beside our own render of the RFC's example. */
export async function measureKustomize(signal: AbortSignal): Promise<Outcome> {
  const binary = await goTool("kustomize", signal).catch((error: unknown) => new Error(errorMessage(error)));
  signal.throwIfAborted();
  if (binary instanceof Error)
    return {
      kind: "skipped",
      rows: [processRow, memory, ours],
      because: `no kustomize here: ${binary.message.split("\n")[0]}`,
    };
  const folder = await mkdtemp(join(tmpdir(), "flux-operator-bench-"));
  try {
    const text = await readFile(example, "utf8");
    const count = await writeKustomization(folder, text);
    const samples: Sample[] = [];
    for (let time = 0; time < times; time += 1) {
      const { ms, stdout } = await runToEnd([binary, "build", folder], {}, signal);
      // What is not the same is not worth a comparison.
      const built = parseKubeYamlDocuments(stdout).length;
      if (built !== count) throw new Error(`Cannot compare: kustomize built ${built} objects of ${count}`);
      samples.push({ row: processRow, value: ms });
    }
    if (procAbsent === undefined) {
      const { peakBytes } = await runToEnd([binary, "build", folder], { watchMemory: true }, signal);
      samples.push({ row: memory, value: peakBytes });
    }
    return { kind: "measured", samples: [...samples, ...renderSamples(text)] };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The objects as they are before the user's patches; answers with how many they are. */
async function writeKustomization(folder: string, text: string): Promise<number> {
  const document = fieldsOf(parseKubeYaml(text));
  const { kustomize, ...spec } = fieldsOf(document["spec"]);
  const { objects } = render(readRenderInput(JSON.stringify({ ...document, spec })));
  await writeFile(join(folder, "resources.yaml"), objects.map((object) => `---\n${formatYaml(object)}`).join(""));
  const { patches = [] } = fieldsOf(kustomize);
  await writeFile(join(folder, "kustomization.yaml"), JSON.stringify({ resources: ["resources.yaml"], patches }));
  return objects.length;
}

function renderSamples(text: string): readonly Sample[] {
  const input = readRenderInput(text);
  for (let round = 0; round < 20; round += 1) render(input);
  return Array.from({ length: 100 }, () => {
    const startMs = performance.now();
    render(input);
    return { row: ours, value: performance.now() - startMs };
  });
}
