import { type Command, InvalidArgumentError, Option } from "commander";
import { componentNames, imageVariants } from "../distribution/release.ts";
import type { BundleOptions } from "./commands/distro/bundle.ts";
import type { ListOptions } from "./commands/distro/list.ts";
import type { MirrorOptions } from "./commands/distro/mirror.ts";
import type { VerifyOptions } from "./commands/distro/verify.ts";
import { collect, finish, type Surroundings } from "./exit.ts";
import { exitCodes } from "./terminal.ts";

/** Adds `distro list`, `mirror`, `bundle` and `verify`. */
export function addDistro(program: Command, surroundings: Surroundings): void {
  const distro = program
    .command("distro")
    .description("List the images of Flux, copy them into a registry or a file (distro list, mirror, bundle, verify)")
    .helpCommand(false);
  addList(distro, surroundings);
  addMirror(distro, surroundings);
  addBundle(distro, surroundings);
  addVerify(distro, surroundings);
}

function addList(distro: Command, { terminal, signal }: Surroundings): void {
  chooser(distro.command("list"))
    .description("List versions and variants of Flux; with --version, their images and digests.")
    .addOption(new Option("-o, --output <format>", "format").choices(["table", "json"]).default("table"))
    .addHelpText("after", listHelp)
    .action((options: ListOptions) =>
      finish(exitCodes.failed, { terminal, signal }, async () => {
        const { listDistribution } = await import("./commands/distro/list.ts");
        return await listDistribution(options, terminal, signal);
      }),
    );
}

const listHelp = `
Without --version all versions are listed, newest first. No network is needed, but for --distribution oci://.

Examples:
  flux-operator distro list
  flux-operator distro list --version 2.9.x --variant upstream-alpine
  flux-operator distro list --version 2.9.4 -o json | jq -r '.[] | "\\(.repository)@\\(.digest)"'`;

function addMirror(distro: Command, { terminal, signal }: Surroundings): void {
  copier(distro.command("mirror"))
    .description("Copy images and artifact into another registry, with signatures, and digests as they are.")
    .requiredOption("--to <place>", "registry and path that they get below, such as registry.example.com/flux")
    .option("--to-insecure", "speak plain HTTP to the registry of --to")
    .addOption(
      new Option("--bundle <file>", "copy all of a file that distro bundle has written").conflicts([
        "version",
        "variant",
        "component",
        "from",
        "artifact",
        "platform",
        "distribution",
      ]),
    )
    .addHelpText("after", mirrorHelp)
    .action((options: MirrorOptions) =>
      finish(exitCodes.failed, { terminal, signal }, async () => {
        const { mirrorDistribution } = await import("./commands/distro/mirror.ts");
        return await mirrorDistribution(options, terminal, signal);
      }),
    );
}

const mirrorHelp = `
Each image is read by the digest that its release has, and gets the name <to>/<component>:<tag>; with several variants,
<to>/<variant>/<component>:<tag>. What is there already is not copied again: repeat the command to go on with one that broke off.
Logins are those of docker's config.json. Then set spec.distribution.registry to what --to says, and spec.distribution.variant.

Examples:
  flux-operator distro mirror --to registry.example.com/flux --version 2.9.x
  flux-operator distro mirror --to registry.example.com/flux --variant enterprise-distroless --artifact oci://ghcr.io/controlplaneio-fluxcd/flux-operator-manifests:latest
  flux-operator distro mirror --to registry.example.com/flux --bundle flux.tar

Exit codes: 0 all is there, 1 something is missing (and named).`;

function addBundle(distro: Command, { terminal, signal }: Surroundings): void {
  copier(distro.command("bundle"))
    .description("Write images and artifact into one file, for a place without network.")
    .requiredOption("-f, --file <file>", "file to write")
    .addHelpText("after", bundleHelp)
    .action((options: BundleOptions) =>
      finish(exitCodes.failed, { terminal, signal }, async () => {
        const { bundleDistribution } = await import("./commands/distro/bundle.ts");
        return await bundleDistribution(options, terminal, signal);
      }),
    );
}

const bundleHelp = `
The file is an OCI image layout in a tar. "distro mirror --bundle" copies it into a registry, and "build instance" and "diff instance"
take the releases of its artifact with --distribution.

Examples:
  flux-operator distro bundle -f flux.tar --version 2.9.x --version 2.8.x
  flux-operator distro bundle -f flux.tar --platform linux/amd64

Exit codes: 0 written, 1 not (nothing is written then).`;

function addVerify(distro: Command, { terminal, signal }: Surroundings): void {
  chooser(distro.command("verify"))
    .description("Verify signatures of images and of an artifact, as spec.distribution.verify does.")
    .option("--artifact <address>", "verify this artifact instead: oci://host/repository:tag")
    .option("--images", "verify the images, too, beside an artifact")
    .option("--key <file>", "public key of a signer; may be repeated", collect)
    .option("--trusted-root <file>", "trusted root of a Sigstore instance of your own (trusted_root.json)")
    .option("--issuer <pattern>", "what the issuer in a signer's certificate must match, for signatures without keys")
    .option("--subject <pattern>", "what its subject must match")
    .option("--from-insecure", "speak plain HTTP to the registries that are read")
    .addOption(parallelOption())
    .addHelpText("after", verifyHelp)
    .action((options: VerifyOptions) =>
      finish(exitCodes.failed, { terminal, signal }, async () => {
        const { verifyDistribution } = await import("./commands/distro/verify.ts");
        return await verifyDistribution(options, terminal, signal);
      }),
    );
}

const verifyHelp = `
No service but the registry is asked. An image is verified by the digest that its release has, an artifact by the digest that its tag has now.

Examples:
  flux-operator distro verify --version 2.9.x --from registry.example.com/flux --key cosign.pub
  flux-operator distro verify --artifact oci://registry.example.com/flux/manifests:latest --images --key cosign.pub

Exit codes: 0 all have a good signature, 1 some have not (and why).`;

function chooser(command: Command): Command {
  return command
    .option("--version <range>", "newest version of this range; may be repeated (default: the newest of all)", collect)
    .addOption(
      new Option("--variant <name>", "flavour of the images; may be repeated (default: upstream-alpine)").argParser(
        (name: string, names?: readonly string[]) => oneOf(imageVariants, name, names),
      ),
    )
    .addOption(
      new Option("--component <name>", "only this one; may be repeated (default: all)").argParser(
        (name: string, names?: readonly string[]) => oneOf(componentNames, name, names),
      ),
    )
    .option("--from <place>", "registry and path that images are read from (default: the vendor's)")
    .option(
      "--distribution <place>",
      "choose from the releases of an artifact: folder, tarball, bundle or oci:// address",
    )
    .option("--distribution-insecure", "speak plain HTTP to the registry of --distribution");
}

function copier(command: Command): Command {
  return chooser(command)
    .option("--artifact <address>", "copy this artifact, too: oci://host/repository:tag")
    .option(
      "--platform <name>",
      "content of this platform only, such as linux/amd64; may be repeated (default: all)",
      collect,
    )
    .option("--from-insecure", "speak plain HTTP to the registries that are read")
    .addOption(parallelOption());
}

function parallelOption(): Option {
  return new Option("--parallel <number>", "images at once").default(3).argParser(parseCount);
}

function oneOf(allowed: readonly string[], name: string, names: readonly string[] = []): readonly string[] {
  if (allowed.includes(name)) return [...names, name];
  throw new InvalidArgumentError(`Choose from ${allowed.join(", ")}.`);
}

function parseCount(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= 16) return count;
  throw new InvalidArgumentError("Write a number from 1 to 16.");
}
