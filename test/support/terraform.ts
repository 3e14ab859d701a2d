import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { constants, copyFile, mkdir, writeFile } from "node:fs/promises";
import { delimiter, join, relative } from "node:path";
import { test, type TestContext } from "node:test";
import { cleanEnvironment } from "../../scripts/control-plane/processes.ts";
import { goTool, goToolVersion } from "../../scripts/go-tool.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import { isJsonObject } from "../../src/std/json.ts";

/** The programs that the module is for, and where each looks for providers that are named without a registry. */
const terraformPrograms = { terraform: "registry.terraform.io", tofu: "registry.opentofu.org" } as const;
export type TerraformProgram = keyof typeof terraformPrograms;

export type TerraformRun = { readonly exitCode: number; readonly stdout: string; readonly stderr: string };

/** One of the programs in a folder of its own, with a root module there. */
export type Terraform = {
  readonly folder: string;
  run(...args: readonly string[]): Promise<TerraformRun>;
  /** As `run`. Throws with what it said when it fails. */
  done(...args: readonly string[]): Promise<string>;
  /** Writes a root module that uses ours, or that at `source`, once for each key with these variables. */
  write(uses: { readonly [name: string]: JsonObject }, source?: string): Promise<void>;
};

export type TerraformOptions = {
  readonly folder: string;
  readonly kubeconfig?: string;
  /** Where the root module is, if it is not written by the test. */
  readonly root?: string;
};

/** The folder of our module. */
export const moduleFolder = join(import.meta.dirname, "../../packaging/terraform");

/** A test for each program that is there, which tells of those that are not. */
export function eachProgram(
  words: string,
  run: (program: TerraformProgram, context: TestContext) => Promise<void>,
): void {
  for (const program of Object.keys(terraformPrograms) as readonly TerraformProgram[])
    test(
      `${program} ${words}`,
      { skip: terraformAbsent(program) ?? false },
      async (context) => await run(program, context),
    );
}

/** Arguments of every command; those of a plan; those of an apply. */
export const quiet = ["-input=false", "-no-color"] as const;
export const plan = ["plan", ...quiet] as const;
export const apply = ["apply", "-auto-approve", ...quiet] as const;

const never = new AbortController().signal;
const providers = [
  { name: "helm", owner: "hashicorp", tool: "terraform-provider-helm" },
  { name: "kubectl", owner: "gavinbunney", tool: "terraform-provider-kubectl" },
] as const;

/** Why a program cannot be run; undefined where it can. OpenTofu is built, Terraform has to be there. */
function terraformAbsent(program: TerraformProgram): string | undefined {
  return program === "tofu" || pathOf("terraform") !== undefined ? undefined : "terraform is not on the PATH";
}

/** Sets a program up, with our builds of the providers as a file system mirror and no network. */
export async function setUpTerraform(program: TerraformProgram, options: TerraformOptions): Promise<Terraform> {
  const { folder, root = join(folder, "root"), kubeconfig = "/dev/null" } = options;
  const binary = program === "tofu" ? await goTool("tofu", never) : (pathOf("terraform") ?? "terraform");
  await mkdir(join(folder, "root"), { recursive: true });
  const mirror = join(folder, "mirror");
  for (const { name, owner, tool } of providers) {
    const version = (await goToolVersion(tool)).slice(1);
    const platform = `${process.platform}_${process.arch === "x64" ? "amd64" : process.arch}`;
    const place = join(mirror, terraformPrograms[program], owner, name, version, platform);
    await mkdir(place, { recursive: true });
    await copyFile(await goTool(tool, never), join(place, `${tool}_v${version}`), constants.COPYFILE_FICLONE);
  }
  const config = join(folder, "cli.tfrc");
  await writeFile(
    config,
    `provider_installation {\n  filesystem_mirror {\n    path = ${JSON.stringify(mirror)}\n  }\n}\n`,
  );
  const env = {
    ...cleanEnvironment(),
    HOME: folder,
    TF_CLI_CONFIG_FILE: config,
    TF_DATA_DIR: join(folder, "data"),
    TF_IN_AUTOMATION: "1",
    CHECKPOINT_DISABLE: "1",
    KUBECONFIG: kubeconfig,
    KUBE_CONFIG_PATH: kubeconfig,
  };
  const run = async (...args: readonly string[]): Promise<TerraformRun> => {
    const { promise, resolve } = Promise.withResolvers<TerraformRun>();
    execFile(binary, args, { env, cwd: root, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) =>
      resolve({ exitCode: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
    );
    return await promise;
  };
  return {
    folder,
    run,
    done: async (...args) => {
      const { exitCode, stdout, stderr } = await run(...args);
      if (exitCode !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${exitCode}:\n${stderr}${stdout}`);
      return stdout;
    },
    // By an absolute path, the folder would be copied without the charts beside it.
    write: (uses, source = relative(root, moduleFolder)) =>
      writeFile(join(root, "main.tf.json"), JSON.stringify(rootModule(uses, source), null, 2)),
  };
}

function rootModule(uses: { readonly [name: string]: JsonObject }, source: string): JsonObject {
  const literal = Object.entries(uses).map(([name, variables]) => [
    name,
    { source, ...(withoutTemplates(variables) as JsonObject) },
  ]);
  const required = providers.map(({ name, owner }) => [name, { source: `${owner}/${name}` }]);
  return {
    terraform: { required_providers: Object.fromEntries(required) },
    provider: { helm: {}, kubectl: {} },
    module: Object.fromEntries(literal),
  };
}

/** Texts of a module in JSON are templates. */
function withoutTemplates(value: unknown): unknown {
  if (typeof value === "string") return value.replaceAll(/[$%](?=\{)/g, (sign) => sign + sign);
  if (Array.isArray(value)) return value.map(withoutTemplates);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, withoutTemplates(member)]));
}

function pathOf(name: string): string | undefined {
  const places = (process.env["PATH"] ?? "").split(delimiter).map((place) => join(place, name));
  return places.find((path) => existsSync(path));
}
