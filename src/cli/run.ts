import { Command, InvalidArgumentError, Option } from "commander";
import { fluxInstance } from "../api/names.ts";
import { parseDurationMs } from "../std/duration.ts";
import { operatorVersion } from "../std/version.ts";
import type { ClusterOptions } from "./cluster.ts";
import { addDistro } from "./distro-command.ts";
import { addGet } from "./get-command.ts";
import { contextOption, kubeconfigOption } from "./options.ts";
import { collect, Exit, exitWith, finish, type Surroundings } from "./exit.ts";
import { exitCodes, type Terminal } from "./terminal.ts";

/** Runs the command that `args` name (without the program's own name), and resolves to the exit code. Throws only bugs. */
export async function runCli(args: readonly string[], terminal: Terminal, signal: AbortSignal): Promise<number> {
  try {
    await createProgram({ terminal, signal }).parseAsync(args.map(respell), { from: "user" });
    return exitCodes.done;
  } catch (error) {
    if (error instanceof Exit) return error.code;
    throw error;
  }
}

/** The Go operator's names of options, and ours. */
const goNames: ReadonlyMap<string, string> = new Map([
  ["--filename", "--file"],
  ["--distribution-artifact", "--distribution"],
]);

/** An argument as this command line spells it: options by our names, and `-f=flux.yaml`, which Go's flags take, as `-fflux.yaml`. */
function respell(arg: string): string {
  if (/^-[a-z]=/.test(arg)) return arg.slice(0, 2) + arg.slice(3);
  const [name = "", ...value] = arg.split("=");
  return [goNames.get(name) ?? name, ...value].join("=");
}

type InstanceOptions = {
  readonly file: readonly string[];
  readonly namespace: string;
  readonly distribution?: string;
  readonly distributionInsecure?: boolean;
};
type BuildOptions = InstanceOptions & { readonly output: "yaml" | "json" };
type DiffOptions = InstanceOptions & ClusterOptions;
type AwaitOptions = ClusterOptions & { readonly namespace: string; readonly timeout: number };

function createProgram(surroundings: Surroundings): Command {
  const program = new Command("flux-operator")
    .description("Look at what the Flux operator would do before it does it, and wait for what it does.")
    .version(operatorVersion, "-v, --version", "print the version")
    .helpCommand(false)
    // Else the program would take the --version of a command for its own.
    .enablePositionalOptions()
    .configureHelp({ showGlobalOptions: false })
    .configureOutput({
      writeOut: (text) => void surroundings.terminal.stdout.write(text),
      writeErr: (text) => void surroundings.terminal.stderr.write(text),
    })
    .addHelpText("after", programHelp)
    .showHelpAfterError("Run it with --help to see what it takes.")
    .exitOverride(exitWith(exitCodes.failed));
  addBuild(program, surroundings);
  addDiff(program, surroundings);
  addWait(program, surroundings);
  addDelete(program, surroundings);
  addVersions(program, surroundings);
  addDistro(program, surroundings);
  addGet(program, surroundings);
  return program;
}

const programHelp = `
Examples:
  flux-operator build instance -f flux.yaml    all objects of an instance, without a cluster
  flux-operator diff instance -f flux.yaml     what would change on the cluster
  flux-operator wait instance --timeout 5m     until the instance on the cluster is ready
  flux-operator distro mirror --to HOST/PATH   images and artifact into a registry of your own
  flux-operator build instance --help          more about one command`;

function addBuild(program: Command, surroundings: Surroundings): void {
  const build = program.command("build").description("Print what would be applied (build instance)").helpCommand(false);
  instanceCommand(build)
    .description("Print all objects that a FluxInstance renders to, in the order in which they are applied.")
    .addOption(new Option("-o, --output <format>", "format").choices(["yaml", "json"]).default("yaml"))
    .addHelpText("after", buildHelp)
    .action((options: BuildOptions) =>
      finish(exitCodes.failed, surroundings, async () => {
        const { buildInstances } = await import("./commands/build/instance.ts");
        return await buildInstances(options, surroundings.terminal, surroundings.signal);
      }),
    );
}

const buildHelp = `
The objects are those that the operator applies: same code, same defaults, same image digests.
No cluster is needed, and no network but for --distribution oci://. Warnings, and what each patch matched, go to standard error.

Examples:
  flux-operator build instance -f flux.yaml
  flux-operator build instance -f flux.yaml -o json | jq '.items[].metadata.name'
  kubectl -n flux-system get fluxinstance flux -o yaml | flux-operator build instance -f -
  flux-operator build instance -f flux.yaml --distribution oci://ghcr.io/controlplaneio-fluxcd/flux-operator-manifests

Exit codes: 0 built, 1 something in the input cannot be used (nothing is printed then).`;

function addDiff(program: Command, surroundings: Surroundings): void {
  const failed = exitCodes.diffFailed;
  const diff = program
    .command("diff")
    .description("Show what would change on the cluster (diff instance)")
    .helpCommand(false)
    .exitOverride(exitWith(failed));
  instanceCommand(diff)
    .description("Show what applying a FluxInstance would create, change and prune on the cluster.")
    .addOption(kubeconfigOption())
    .addOption(contextOption())
    .addHelpText("after", diffHelp)
    .action((options: DiffOptions) =>
      finish(failed, surroundings, async () => {
        const { diffInstance } = await import("./commands/diff/instance.ts");
        return await diffInstance(options, surroundings.terminal, surroundings.signal);
      }),
    );
}

const diffHelp = `
The API server is asked by server-side dry-run: nothing is written. You need the permissions to apply the objects.
Data of Secrets is not shown. The counts go to standard error.

Examples:
  flux-operator diff instance -f flux.yaml
  flux-operator diff instance -f flux.yaml --context production

Exit codes: 0 nothing would change, 1 something would, 2 it could not be found out.`;

function addWait(program: Command, surroundings: Surroundings): void {
  const wait = program
    .command("wait")
    .description("Wait for the instance on the cluster (wait instance)")
    .helpCommand(false);
  clusterCommand(wait)
    .description("Wait until a FluxInstance is ready, and say why it is not.")
    .addHelpText("after", waitHelp)
    .action((name: string, { timeout: timeoutMs, ...options }: AwaitOptions) =>
      finish(exitCodes.failed, surroundings, async () => {
        const { waitForInstance } = await import("./commands/wait/instance.ts");
        return await waitForInstance({ ...options, name, timeoutMs }, surroundings.terminal, surroundings.signal);
      }),
    );
}

const waitHelp = `
Ready counts only if it tells of the latest change of the instance. Each new reason to wait goes to standard error.
It ends before the time is over when waiting cannot help: the spec cannot be used, or the upgrade was rolled back.

Exit codes: 0 ready, 1 not ready in time or not at all.`;

function addDelete(program: Command, surroundings: Surroundings): void {
  const remove = program
    .command("delete")
    .description("Delete the instance on the cluster, and wait until Flux is uninstalled (delete instance)")
    .helpCommand(false);
  clusterCommand(remove)
    .description("Delete a FluxInstance, and wait until its operator has uninstalled what spec.deletionPolicy says.")
    .addHelpText("after", deleteHelp)
    .action((name: string, { timeout: timeoutMs, ...options }: AwaitOptions) =>
      finish(exitCodes.failed, surroundings, async () => {
        const { deleteInstance } = await import("./commands/delete/instance.ts");
        return await deleteInstance({ ...options, name, timeoutMs }, surroundings.terminal, surroundings.signal);
      }),
    );
}

const deleteHelp = `
No workload that Flux has deployed is deleted. The operator must run: it is the one that uninstalls.
When the time is over the instance is still being deleted, and the operator goes on.

Exit codes: 0 deleted, or not there; 1 not deleted in time, or not permitted.`;

function addVersions(program: Command, { terminal }: Surroundings): void {
  const list = program.command("list").description("List what can be installed (list versions)").helpCommand(false);
  list
    .command("versions")
    .description("List the Flux versions that can be installed without a network, newest first.")
    .action(async () => {
      const { listVersions } = await import("./commands/list/versions.ts");
      listVersions(terminal);
    });
}

function instanceCommand(parent: Command): Command {
  return parent
    .command("instance")
    .requiredOption("-f, --file <file>", 'file with a FluxInstance, "-" for standard input; may be repeated', collect)
    .option("-n, --namespace <name>", "namespace of a FluxInstance that names none", "flux-system")
    .option(
      "--distribution <place>",
      "choose from the releases of an artifact: folder, tarball or oci:// address (default: those built in)",
    )
    .option("--distribution-insecure", "speak plain HTTP to the registry of --distribution");
}

/** A command about the instance on a cluster. */
function clusterCommand(parent: Command): Command {
  return parent
    .command("instance")
    .argument("[name]", "name of the FluxInstance", fluxInstance.name)
    .option("-n, --namespace <name>", "namespace of the FluxInstance", "flux-system")
    .addOption(new Option("--timeout <duration>", "how long to wait").default(300_000, "5m").argParser(parseTimeoutMs))
    .addOption(kubeconfigOption())
    .addOption(contextOption());
}

function parseTimeoutMs(text: string): number {
  const ms = parseDurationMs(text);
  if (ms === undefined || ms <= 0) throw new InvalidArgumentError("Write a duration such as 90s or 5m.");
  return ms;
}
