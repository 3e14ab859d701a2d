import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { moduleMac } from "../../src/client/openssl-config.ts";
import { cacheFolder } from "../cache-folder.ts";
import { debianSources } from "../image/debian.ts";
import { pinnedFile } from "../image/pinned-file.ts";

const run = promisify(execFile);

/** OpenSSL's source as Debian has it, unchanged: the only one that we can pin and get. */
const source = {
  version: "3.0.22",
  path: "debian-security/pool/updates/main/o/openssl/openssl_3.0.22.orig.tar.gz",
  sha256: "67ebca7e50d17383028045486653492195b83db95f8558709701bb47b5c1ef81",
};

/** OpenSSL's name of this system. */
const targets: { readonly [arch: string]: string } = { x64: "linux-x86_64", arm64: "linux-aarch64" };

/** Why the module cannot be built on this machine; undefined when it can. */
export function fipsModuleAbsent(): string | undefined {
  if (process.platform !== "linux" || targets[process.arch] === undefined)
    return `the module is built on Linux for amd64 and arm64 only, and this is ${process.platform} ${process.arch}`;
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const lacking = ["gcc", "make", "perl"].filter((name) => !folders.some((folder) => existsSync(join(folder, name))));
  return lacking.length === 0
    ? undefined
    : `building OpenSSL's FIPS module takes ${lacking.join(" and ")} (build-essential)`;
}

/**
 * A folder with OpenSSL's FIPS module (fips.so) and what `openssl fipsinstall -self_test_onload` writes of it (fipsmodule.cnf), for tests and trials:
 * nobody has validated this build. Built on first use, in a minute of processor time, then kept in the cache. Throws when the source cannot be had.
 */
export async function fipsModule(signal: AbortSignal): Promise<string> {
  const folder = join(cacheFolder(), "fips", `openssl-${source.version}-linux-${process.arch}`);
  if (existsSync(folder)) return folder;
  const work = await mkdtemp(join(tmpdir(), "openssl-"));
  try {
    await writeFile(join(work, "source.tar.gz"), await sourceArchive());
    await run("tar", ["-xf", "source.tar.gz", "--strip-components=1"], { cwd: work, signal });
    const options = { cwd: work, signal, maxBuffer: 100e6 };
    await run("nice", ["./Configure", "enable-fips", targets[process.arch] ?? ""], options);
    const jobs = `-j${availableParallelism()}`;
    await run("nice", ["make", jobs, "build_generated"], options);
    await run("nice", ["make", jobs, "providers/fips.so"], options);
    return await keep(join(work, "providers", "fips.so"), folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function sourceArchive(): Promise<Uint8Array> {
  const { version, path, sha256 } = source;
  return await pinnedFile(
    { name: `the source of OpenSSL ${version}`, digest: `sha256:${sha256}`, sources: debianSources(path) },
    join(cacheFolder(), "debian", path.split("/").at(-1) ?? ""),
  );
}

/** Two builders at once do not collide: the first one wins. */
async function keep(built: string, folder: string): Promise<string> {
  const module = await readFile(built);
  const building = `${folder}.${process.pid}`;
  await mkdir(building, { recursive: true });
  await writeFile(join(building, "fips.so"), module, { mode: 0o755 });
  await writeFile(join(building, "fipsmodule.cnf"), installed(module));
  try {
    await rename(building, folder);
  } catch (error) {
    await rm(building, { recursive: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}

/** No `install-status`: the module then runs all its self-tests whenever it is loaded, since what holds on one machine says nothing of another. */
function installed(module: Uint8Array): string {
  const settings = { activate: 1, "conditional-errors": 1, "security-checks": 1, "module-mac": moduleMac(module) };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
  return `[fips_sect]\n${lines.join("\n")}\n`;
}
