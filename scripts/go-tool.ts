import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheFolder } from "./cache-folder.ts";

const run = promisify(execFile);
const tools = join(import.meta.dirname, "../tools");

/** Go programs that tests compare with or talk to, by the folder in tools/ whose go.mod pins them. */
export const goTools = {
  kustomize: "sigs.k8s.io/kustomize/kustomize/v5",
  registry: "github.com/distribution/distribution/v3/cmd/registry",
  crane: "github.com/google/go-containerregistry/cmd/crane",
} as const;
export type GoToolName = keyof typeof goTools;

/** Path of the program; built on first use, then kept by version in the cache. Two builders at once do not collide: the last one wins. */
export async function goTool(name: GoToolName, signal: AbortSignal): Promise<string> {
  const program = goTools[name];
  const module = join(tools, name);
  const version = versionIn(await readFile(join(module, "go.mod"), "utf8"), program);
  const folder = join(cacheFolder(), "go-tools");
  const binary = join(folder, `${name}-${version}-${process.platform}-${process.arch}`);
  if (existsSync(binary)) return binary;
  await mkdir(folder, { recursive: true });
  const building = `${binary}.${process.pid}`;
  await run("nice", ["go", "build", "-o", building, program], { cwd: module, signal });
  await rename(building, binary);
  return binary;
}

/** The version at which `goMod` requires the module that has `program`. */
function versionIn(goMod: string, program: string): string {
  for (const [, module = "", version = ""] of goMod.matchAll(/(\S+) (v\d\S*)/g)) {
    if (program === module || program.startsWith(`${module}/`)) return version;
  }
  throw new Error(`Cannot find the version of ${program}: its go.mod does not require it`);
}
