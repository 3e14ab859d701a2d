import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fipsOpensslConf } from "./fips-conf.ts";
import { textFile, type ImageFile } from "./image-file.ts";
import type { RunConfig } from "./layout.ts";
import type { Platform } from "./platform.ts";

/** Where the FIPS variant of the image has its provider; the chart says the same. */
const folder = "/fips";

/** e_machine of ELF files (elf(5)). */
const machines: { readonly [machine: number]: Platform["architecture"] } = { 0x3e: "amd64", 0xb7: "arm64" };

/** A FIPS provider for the image, and the platform that it was built for. */
export type FipsFiles = {
  readonly architecture: Platform["architecture"];
  readonly module: Uint8Array;
  readonly files: readonly ImageFile[];
};

/**
 * The provider in a folder of this machine: fips.so, and fipsmodule.cnf as `openssl fipsinstall -self_test_onload` has written it. Throws when these
 * are not what the image can use.
 */
export async function fipsFiles(from: string): Promise<FipsFiles> {
  const module = await readFile(join(from, "fips.so"));
  const architecture = module.toString("latin1", 1, 4) === "ELF" ? machines[module.readUInt16LE(18)] : undefined;
  if (architecture === undefined) throw new Error(`Cannot use ${from}/fips.so: it is no module for amd64 or arm64`);
  const installed = await readFile(join(from, "fipsmodule.cnf"), "utf8");
  const wrong = wrongWith(installed);
  if (wrong !== undefined) {
    throw new Error(
      `Cannot use ${from}/fipsmodule.cnf: ${wrong}; run openssl fipsinstall -self_test_onload -module fips.so -out fipsmodule.cnf`,
    );
  }
  const files: readonly ImageFile[] = [
    { kind: "file", path: "fips/fips.so", content: module, mode: 0o755 },
    textFile("fips/fipsmodule.cnf", installed),
    textFile("fips/openssl.cnf", fipsOpensslConf(folder)),
  ];
  return { architecture, module, files };
}

function wrongWith(installed: string): string | undefined {
  if (!/^\s*\[\s*fips_sect\s*\]/m.test(installed)) return "it has no section fips_sect";
  if (!/^\s*module-mac\s*=/m.test(installed)) return "it has no module-mac";
  // OpenSSL's README-FIPS.md: what fipsinstall writes on one machine of the self-tests may not be copied to another.
  if (/^\s*install-status\s*=/m.test(installed))
    return "it says that the self-tests have passed, which holds for one machine only";
  return undefined;
}

/** How the FIPS variant starts: never without its provider. */
export function inFipsMode(run: RunConfig): RunConfig {
  const env = [`OPENSSL_CONF=${folder}/openssl.cnf`, `OPENSSL_MODULES=${folder}`];
  return { ...run, Entrypoint: [...run.Entrypoint, "--fips=required"], Env: [...(run.Env ?? []), ...env] };
}
