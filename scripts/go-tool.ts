import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { errorMessage } from "../src/std/errors.ts";
import { cacheFolder } from "./cache-folder.ts";

const run = promisify(execFile);
const tools = join(import.meta.dirname, "../tools");

/**
 * `suite`: only that one runs it. Those of `long` may take minutes to build; those of `extra` so many that CI builds none of them, and
 * runs that suite where all are in the cache.
 */
type GoTool = {
  readonly module: string;
  readonly program: string;
  readonly suite?: "long" | "extra";
  /** The variable in which the program expects its own version; without it others cannot tell what it can do. */
  readonly versionVariable?: string;
};

/** Go programs that tests compare with or talk to, by the folder in tools/ whose go.mod pins their module. */
export const goTools = {
  kustomize: {
    module: "sigs.k8s.io/kustomize/kustomize/v5",
    program: "sigs.k8s.io/kustomize/kustomize/v5",
  },
  /** A main of our own over the module, without the SDKs of clouds that the original one links. */
  registry: { module: "github.com/distribution/distribution/v3", program: "." },
  /** Mains of our own for the real node: its DNS, with few plugins, and what holds the namespaces of a pod and stands for applications. */
  coredns: { module: "github.com/coredns/coredns", program: ".", suite: "long" },
  "stand-in": { module: "flux-operator/tools/stand-in", program: ".", suite: "long" },
  /** A main of our own over what serves custom resources in the oldest Kubernetes that we support. */
  apiextensions: { module: "k8s.io/apiextensions-apiserver", program: ".", suite: "long" },
  /** A main of our own: a registry that has the referrers API, which the one above lacks. */
  referrers: { module: "github.com/google/go-containerregistry", program: ".", suite: "long" },
  crane: {
    module: "github.com/google/go-containerregistry",
    program: "github.com/google/go-containerregistry/cmd/crane",
  },
  /** Sign what the verification of signatures is held to; of both majors, since their forms and their hashes differ. */
  cosign: {
    module: "github.com/sigstore/cosign/v3",
    program: "github.com/sigstore/cosign/v3/cmd/cosign",
    suite: "long",
  },
  "cosign-2": {
    module: "github.com/sigstore/cosign/v2",
    program: "github.com/sigstore/cosign/v2/cmd/cosign",
    suite: "long",
  },
  "source-controller": {
    module: "github.com/fluxcd/source-controller",
    program: "github.com/fluxcd/source-controller",
    suite: "long",
  },
  "kustomize-controller": {
    module: "github.com/fluxcd/kustomize-controller",
    program: "github.com/fluxcd/kustomize-controller",
    suite: "long",
  },
  /** With the libraries of all services that it can tell. */
  "notification-controller": {
    module: "github.com/fluxcd/notification-controller",
    program: "github.com/fluxcd/notification-controller",
    suite: "extra",
  },
  /** Of both majors, since they leave different managedFields. */
  helm: { module: "helm.sh/helm/v3", program: "helm.sh/helm/v3/cmd/helm", suite: "long" },
  "kube-score": {
    module: "github.com/zegl/kube-score",
    program: "github.com/zegl/kube-score/cmd/kube-score",
    suite: "long",
  },
  /** A main of our own over the library with which operator-framework's programs validate bundles. */
  "olm-validate": { module: "github.com/operator-framework/api", program: ".", suite: "long" },
  /** Checks the workflows of GitHub. */
  actionlint: {
    module: "github.com/rhysd/actionlint",
    program: "github.com/rhysd/actionlint/cmd/actionlint",
    suite: "long",
  },
  /** Pulumi's engine and its provider for Kubernetes, a main of our own: the npm packages of both come without them. */
  pulumi: {
    module: "github.com/pulumi/pulumi/pkg/v3",
    program: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    suite: "extra",
    versionVariable: "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version",
  },
  "pulumi-kubernetes": { module: "github.com/pulumi/pulumi-kubernetes/provider/v4", program: ".", suite: "extra" },
  "helm-4": { module: "helm.sh/helm/v4", program: "helm.sh/helm/v4/cmd/helm", suite: "long" },
  /** Evaluates the Timoni modules: Timoni itself is this language with a client of the API server around it. */
  cue: { module: "cuelang.org/go", program: "cuelang.org/go/cmd/cue", suite: "long" },
  /** With the newest of the providers' versions that can be had as Go modules. */
  tofu: { module: "github.com/opentofu/opentofu", program: "github.com/opentofu/opentofu/cmd/tofu", suite: "extra" },
  "terraform-provider-helm": {
    module: "github.com/hashicorp/terraform-provider-helm",
    program: "github.com/hashicorp/terraform-provider-helm",
    suite: "extra",
  },
  "terraform-provider-kubectl": {
    module: "github.com/gavinbunney/terraform-provider-kubectl",
    program: "github.com/gavinbunney/terraform-provider-kubectl",
    suite: "extra",
  },
} as const satisfies { readonly [name: string]: GoTool };
export type GoToolName = keyof typeof goTools;

/** The programs that a suite runs beside those of every suite. */
export function goToolsOf(suite: "integration" | "long" | "extra"): readonly GoToolName[] {
  const names = Object.keys(goTools) as GoToolName[];
  return names.filter((name) => suiteOf(goTools[name]) === undefined || suiteOf(goTools[name]) === suite);
}

function suiteOf(tool: GoTool): GoTool["suite"] {
  return tool.suite;
}

/** The version of a program's module, as its go.mod pins it. */
export async function goToolVersion(name: GoToolName): Promise<string> {
  return (await placeOf(name)).version;
}

/** Whether the program was built before. */
export async function hasGoTool(name: GoToolName): Promise<boolean> {
  return existsSync((await placeOf(name)).binary);
}

/** Path of the program; built on first use, then kept by version in the cache. Two builders at once do not collide: the last one wins. */
export async function goTool(name: GoToolName, signal: AbortSignal): Promise<string> {
  const { binary, version } = await placeOf(name);
  if (existsSync(binary)) return binary;
  await mkdir(dirname(binary), { recursive: true });
  const building = `${binary}.${process.pid}`;
  const env = { ...process.env, CGO_ENABLED: "0" };
  const { program, versionVariable }: GoTool = goTools[name];
  const linked = versionVariable === undefined ? "-s -w" : `-s -w -X ${versionVariable}=${version}`;
  const args = ["go", "build", `-ldflags=${linked}`, "-o", building, program];
  try {
    await run("nice", args, { cwd: join(tools, name), signal, env });
  } catch (cause) {
    signal.throwIfAborted();
    throw new Error(`Cannot build ${name} ${version}: ${goWords(cause)}; it takes Go 1.26 and its modules`, { cause });
  }
  await rename(building, binary);
  return binary;
}

async function placeOf(name: GoToolName): Promise<{ readonly binary: string; readonly version: string }> {
  const version = versionIn(await readFile(join(tools, name, "go.mod"), "utf8"), goTools[name].module);
  const file = `${name}-${version}-${process.platform}-${process.arch}`;
  return { binary: join(cacheFolder(), "go-tools", file), version };
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
