import { type Command, Option } from "commander";
import { fluxInstance } from "../api/names.ts";
import type { VulnerabilityOptions } from "./commands/get/vulnerabilities.ts";
import { finish, type Surroundings } from "./exit.ts";
import { contextOption, kubeconfigOption } from "./options.ts";
import { exitCodes } from "./terminal.ts";

/** Adds `get vulnerabilities`. */
export function addGet(program: Command, { terminal, signal }: Surroundings): void {
  const get = program
    .command("get")
    .description("Tell about what runs on the cluster (get vulnerabilities)")
    .helpCommand(false);
  get
    .command("vulnerabilities")
    .argument("[name]", "name of the FluxInstance", fluxInstance.name)
    .description("Tell what Flux's vendor says of vulnerabilities of the images that run.")
    .option("-n, --namespace <name>", "namespace of the FluxInstance", "flux-system")
    .addOption(new Option("-o, --output <format>", "format").choices(["table", "json", "openvex"]).default("table"))
    .option("--distribution <place>", "take the statements of an artifact: folder, tarball, bundle or oci:// address")
    .option("--distribution-insecure", "speak plain HTTP to the registry of --distribution")
    .addOption(kubeconfigOption())
    .addOption(contextOption())
    .addHelpText("after", help)
    .action((name: string, options: Omit<VulnerabilityOptions, "name">) =>
      finish(exitCodes.failed, { terminal, signal }, async () => {
        const { getVulnerabilities } = await import("./commands/get/vulnerabilities.ts");
        return await getVulnerabilities({ ...options, name }, terminal, signal);
      }),
    );
}

const help = `
The statements are those that were built into this operator; the artifact of the vendor has newer ones. What the vendor has not said anything of is not listed:
a scanner finds it. With -o openvex it is a document that scanners take to leave out what does not affect these images.

Examples:
  flux-operator get vulnerabilities
  flux-operator get vulnerabilities -o openvex --distribution oci://ghcr.io/controlplaneio-fluxcd/flux-operator-manifests > flux.vex.json

Exit codes: 0 told, 1 it could not be found out.`;
