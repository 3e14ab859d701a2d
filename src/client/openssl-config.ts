import { spawnSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ReasonedError } from "../std/errors.ts";

/** The variables of a process. */
type Env = { readonly [name: string]: string | undefined };

/** Node does not start with the configuration of OpenSSL that the environment names. */
export class OpensslConfigError extends ReasonedError {
  constructor(message: string) {
    super({ reason: "InvalidConfiguration", retry: "on-change", message });
  }
}

/**
 * With it Node starts without the configuration that OPENSSL_CONF names: one whose provider cannot be loaded ends Node with a stack trace of C++
 * before any of our code runs. The image, the chart's Jobs and `npm start` pass it.
 */
export const unconfigured = "--openssl-config=/dev/null";

/**
 * In a process that was started without it, tries in a child what OPENSSL_CONF names, and starts this program anew with it, in the same process;
 * does nothing where that is done or not asked for. Throws OpensslConfigError when Node does not start with it.
 */
export function takeOpensslConfig(env: Env): void {
  const conf = env["OPENSSL_CONF"] ?? "";
  if (conf === "" || !process.execArgv.includes(unconfigured)) return;
  const program = "process.getBuiltinModule('node:crypto').randomBytes(1)";
  const { status, stderr } = spawnSync(process.execPath, ["-e", program], { env, encoding: "utf8", timeout: 60_000 });
  if (status !== 0) {
    const why = findFault(env) ?? saidOf(stderr);
    throw new OpensslConfigError(
      `Cannot start OpenSSL with the configuration in OPENSSL_CONF (${conf}): ${why} (docs/fips.md)`,
    );
  }
  const options = process.execArgv.filter((option) => option !== unconfigured);
  process.execve?.(process.execPath, [process.execPath, ...options, ...process.argv.slice(1)], env);
}

/** The key with which `openssl fipsinstall` and the module itself measure it (include/openssl/fipskey.h). */
const measureKey = Buffer.from("f4556650ac31d35461610bac4ed81b1a181b2d8a43ea2854cbae22ca74560813", "hex");

/** What `openssl fipsinstall` writes as `module-mac`: the HMAC-SHA256 of the module, as hex pairs with colons between. */
export function moduleMac(module: Uint8Array): string {
  const hex = createHmac("sha256", measureKey).update(module).digest("hex").toUpperCase();
  return hex.replaceAll(/..(?=.)/g, "$&:");
}

/**
 * What is wrong with the files of a FIPS provider that could not be loaded; undefined when nothing is seen, or no such provider is asked for.
 * Source: config(5), fips_config(5).
 */
export function findFault(env: Env): string | undefined {
  const conf = env["OPENSSL_CONF"] ?? "";
  const { text, missing } = readSettings(conf);
  const setting = (name: string): string | undefined => new RegExp(`^\\s*${name}\\s*=\\s*(\\S+)`, "m").exec(text)?.[1];
  if (missing === conf) return "it cannot be read; let the user of this process read it";
  if (missing !== undefined) return `it includes ${missing}, which cannot be read; put the file there`;
  if (setting("fips") === undefined) return undefined;
  const module = setting("module") ?? join(env["OPENSSL_MODULES"] ?? "", "fips.so");
  if (!existsSync(module)) {
    return `the module ${module} does not exist; put it there, or name its folder in OPENSSL_MODULES`;
  }
  const content = read(module);
  if (content === undefined) return `the module ${module} cannot be read; let the user of this process read it`;
  const install = `run openssl fipsinstall for ${module} and include what it writes`;
  const mac = setting("module-mac");
  if (mac === undefined) return `it has no module-mac; ${install}`;
  if (mac.toUpperCase() !== moduleMac(content)) return `its module-mac is that of another module; ${install}`;
  return undefined;
}

type Settings = { readonly text: string; readonly missing?: string };

/** The text of a configuration with that of the files that it includes, and the first of these that cannot be read. */
function readSettings(path: string, depth = 4): Settings {
  const text = depth === 0 ? undefined : read(path)?.toString("utf8");
  if (text === undefined) return { text: "", missing: path };
  const included = [...text.matchAll(/^\s*\.include\s*=?\s*(\S.*?)\s*$/gm)].map(([, file = ""]) =>
    readSettings(file, depth - 1),
  );
  const missing = included.find((file) => file.missing !== undefined)?.missing;
  const all = [text, ...included.map((file) => file.text)].join("\n");
  return { text: all, ...(missing === undefined ? {} : { missing }) };
}

function read(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

/** OpenSSL's own words, which Node prints where the configuration cannot be read; Node says nothing of a provider that cannot be loaded. */
function saidOf(stderr: string): string {
  const line = /^[0-9A-F]+:error:(.*)$/m.exec(stderr)?.[1];
  const [, , , reason, , , where = ""] = line?.split(":") ?? [];
  if (reason !== undefined) return `OpenSSL says "${[reason, where].filter((part) => part !== "").join(", ")}"`;
  return "its provider cannot be loaded; its own self-tests fail, or it was built for another system";
}
