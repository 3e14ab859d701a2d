import { embeddedVersions } from "../../../distribution/load.ts";
import type { Terminal } from "../../terminal.ts";

/** Prints the embedded Flux versions, one on each line, the newest first. */
export function listVersions({ stdout }: Pick<Terminal, "stdout">): void {
  stdout.write(`${embeddedVersions.toReversed().join("\n")}\n`);
}
