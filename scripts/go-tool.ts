import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { errorMessage } from "../src/std/errors.ts";
import { cacheFolder } from "./cache-folder.ts";

const run = promisify(execFile);
const tools = join(import.meta.dirname, "../tools");

/** `long`: only the long suites run it, and it may take minutes to build. */
type GoTool = { readonly module: string; readonly program: string; readonly long?: true };

/** Go programs that tests compare with or talk to, by the folder in tools/ whose go.mod pins their module. */
export const goTools = {
  kustomize: {
    module: "sigs.k8s.io/kustomize/kustomize/v5",
    program: "sigs.k8s.io/kustomize/kustomize/v5",
  },
  /** A main of our own over the module, without the SDKs of clouds that the original one links. */
  registry: { module: "github.com/distribution/distribution/v3", program: "." },
  /** Mains of our own for the real node: its DNS, with few plugins, and what holds the namespaces of a pod and stands for applications. */
  coredns: { module: "github.com/coredns/coredns", program: ".", long: true },
  "stand-in": { module: "flux-operator/tools/stand-in", program: ".", long: true },
  /** A main of our own over what serves custom resources in the oldest Kubernetes that we support. */
  apiextensions: { module: "k8s.io/apiextensions-apiserver", program: ".", long: true },
  /** A main of our own: a registry that has the referrers API, which the one above lacks. */
  referrers: { module: "github.com/google/go-containerregistry", program: ".", long: true },
  crane: {
    module: "github.com/google/go-containerregistry",
    program: "github.com/google/go-containerregistry/cmd/crane",
  },
  /** Sign what the verification of signatures is held to; of both majors, since their forms and their hashes differ. */
  cosign: { module: "github.com/sigstore/cosign/v3", program: "github.com/sigstore/cosign/v3/cmd/cosign", long: true },
  "cosign-2": {
    module: "github.com/sigstore/cosign/v2",
    program: "github.com/sigstore/cosign/v2/cmd/cosign",
    long: true,
  },
  "source-controller": {
    module: "github.com/fluxcd/source-controller",
    program: "github.com/fluxcd/source-controller",
    long: true,
  },
  "kustomize-controller": {
    module: "github.com/fluxcd/kustomize-controller",
    program: "github.com/fluxcd/kustomize-controller",
    long: true,
  },
  /** Of both majors, since they leave different managedFields. */
  helm: { module: "helm.sh/helm/v3", program: "helm.sh/helm/v3/cmd/helm", long: true },
  "kube-score": {
    module: "github.com/zegl/kube-score",
    program: "github.com/zegl/kube-score/cmd/kube-score",
    long: true,
  },
  "helm-4": { module: "helm.sh/helm/v4", program: "helm.sh/helm/v4/cmd/helm", long: true },
} as const satisfies { readonly [name: string]: GoTool };
export type GoToolName = keyof typeof goTools;

/** Path of the program; built on first use, then kept by version in the cache. Two builders at once do not collide: the last one wins. */
export async function goTool(name: GoToolName, signal: AbortSignal): Promise<string> {
  const tool = goTools[name];
  const cwd = join(tools, name);
  const version = versionIn(await readFile(join(cwd, "go.mod"), "utf8"), tool.module);
  const folder = join(cacheFolder(), "go-tools");
  const binary = join(folder, `${name}-${version}-${process.platform}-${process.arch}`);
  if (existsSync(binary)) return binary;
  await mkdir(folder, { recursive: true });
  const building = `${binary}.${process.pid}`;
  const env = { ...process.env, CGO_ENABLED: "0" };
  try {
    await run("nice", ["go", "build", "-ldflags=-s -w", "-o", building, tool.program], { cwd, signal, env });
  } catch (cause) {
    signal.throwIfAborted();
    throw new Error(`Cannot build ${name} ${version}: ${goWords(cause)}; it takes Go 1.26 and its modules`, { cause });
  }
  await rename(building, binary);
  return binary;
}

/** The end of what the compiler said, or what kept it from being started. */
function goWords(cause: unknown): string {
  const { stderr = "" } = cause instanceof Error && "stderr" in cause ? cause : {};
  const said = String(stderr).trim().split("\n").slice(-5).join("\n");
  return said === "" ? errorMessage(cause) : said;
}

/** The version at which `goMod` requires `module`; a program of ours that requires nothing has none. */
function versionIn(goMod: string, module: string): string {
  if (goMod.startsWith(`module ${module}\n`)) return "v0";
  const found = [...goMod.matchAll(/(\S+) (v\d\S*)/g)].find(([, path]) => path === module);
  if (found?.[2] === undefined) throw new Error(`Cannot find the version of ${module}: its go.mod does not require it`);
  return found[2];
}
