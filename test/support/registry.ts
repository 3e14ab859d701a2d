import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { goTool } from "../../scripts/go-tool.ts";

const run = promisify(execFile);

/** How the registry lets people in. */
export type RegistryAuth =
  | { readonly kind: "open" }
  /** Lines of an htpasswd file, bcrypt only. */
  | { readonly kind: "htpasswd"; readonly htpasswd: string }
  | {
      readonly kind: "token";
      readonly realm: string;
      readonly service: string;
      readonly issuer: string;
      /** JSON Web Key Set of who signs the tokens. */
      readonly jwks: string;
    };

export type RegistryProcess = AsyncDisposable & {
  /** "<address>:<port>", plain HTTP. */
  readonly host: string;
};

/** A real registry (github.com/distribution/distribution) on a free port of an address of this machine, that keeps all in memory. */
export async function startRegistry(
  auth: RegistryAuth,
  signal: AbortSignal,
  address = "127.0.0.1",
): Promise<RegistryProcess> {
  const binary = await goTool("registry", signal);
  const folder = await mkdtemp(join(tmpdir(), "registry-"));
  const configuration = {
    version: "0.1",
    log: { level: "info", formatter: "json", accesslog: { disabled: true } },
    storage: { inmemory: {} },
    http: { addr: `${address}:0`, secret: "of this test" },
    ...(await authConfiguration(auth, folder)),
  };
  // JSON is YAML.
  await writeFile(join(folder, "config.yaml"), JSON.stringify(configuration));
  const registry = spawn(binary, ["serve", join(folder, "config.yaml")], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { PATH: process.env["PATH"], OTEL_TRACES_EXPORTER: "none" },
  });
  const exited = once(registry, "exit");
  const stop = async (): Promise<void> => {
    registry.kill("SIGKILL");
    await exited;
    await rm(folder, { recursive: true, force: true });
  };
  const said: string[] = [];
  for await (const line of createInterface(registry.stderr)) {
    said.push(line);
    const host = /listening on ([\d.]+:\d+)/.exec(line)?.[1];
    if (host === undefined) continue;
    registry.stderr.resume();
    return { host, [Symbol.asyncDispose]: stop };
  }
  await stop();
  throw new Error(`the registry did not start:\n${said.join("\n")}`);
}

/** A registry with the referrers API (github.com/google/go-containerregistry), on a free port, that keeps all in memory. */
export async function startReferrersRegistry(signal: AbortSignal): Promise<RegistryProcess> {
  const registry = spawn(await goTool("referrers", signal), [], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(registry, "exit");
  const stop = async (): Promise<void> => {
    registry.kill("SIGKILL");
    await exited;
  };
  for await (const host of createInterface(registry.stdout)) return { host, [Symbol.asyncDispose]: stop };
  throw new Error("the registry did not start");
}

type Credentials = { readonly username: string; readonly password: string };

/** Who may use a registry with `htpasswd`. */
export const reader: Credentials = { username: "reader", password: "correct horse" };
// bcrypt of the password above, at the lowest cost.
export const htpasswd = "reader:$2a$04$UEnJ349GMbsgd47aJvCiPuBFm6lDUUII02djShJCKaGUO.IeZyhIa\n";

export type PushOptions = {
  readonly tarball: string;
  /** "127.0.0.1:5000/org/app:v1" */
  readonly to: string;
  /** OCI by default. */
  readonly docker?: boolean;
  readonly login?: Credentials;
};

/** Pushes the tarball as the only layer of an image, with `crane`; gives back the digest of its manifest. */
export async function pushImage(
  { tarball, to, docker = false, login }: PushOptions,
  signal: AbortSignal,
): Promise<string> {
  const flags = docker ? [] : ["--oci-empty-base"];
  return await crane(["append", ...flags, "-f", tarball, "-t", to], { host: hostOf(to), login }, signal);
}

/** Pushes an index of images that are there already; gives back its digest. */
export async function pushIndex(
  images: readonly string[],
  to: string,
  signal: AbortSignal,
  login?: PushOptions["login"],
): Promise<string> {
  const manifests = images.flatMap((image) => ["-m", image]);
  return await crane(["index", "append", ...manifests, "-t", to], { host: hostOf(to), login }, signal);
}

/** Copies a manifest with all that is below it, from a registry that lets everybody in. */
export async function copyImage(from: string, to: string, signal: AbortSignal, login?: Credentials): Promise<void> {
  await crane(["copy", from, to], { host: hostOf(to), login }, signal);
}

type Login = { readonly host: string; readonly login: PushOptions["login"] };

async function crane(args: readonly string[], { host, login }: Login, signal: AbortSignal): Promise<string> {
  const binary = await goTool("crane", signal);
  const folder = await mkdtemp(join(tmpdir(), "crane-"));
  try {
    const auth = login && Buffer.from(`${login.username}:${login.password}`).toString("base64");
    const auths = auth === undefined ? {} : { [host]: { auth } };
    await writeFile(join(folder, "config.json"), JSON.stringify({ auths }));
    const env = { PATH: process.env["PATH"], HOME: folder, DOCKER_CONFIG: folder };
    const { stdout } = await run(binary, [...args, "--insecure"], { env, signal });
    return stdout.trim().slice(stdout.lastIndexOf("@") + 1);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function hostOf(reference: string): string {
  return reference.slice(0, reference.indexOf("/"));
}

async function authConfiguration(auth: RegistryAuth, folder: string): Promise<{ readonly auth?: unknown }> {
  if (auth.kind === "open") return {};
  if (auth.kind === "htpasswd") {
    const path = join(folder, "htpasswd");
    await writeFile(path, auth.htpasswd);
    return { auth: { htpasswd: { realm: "test", path } } };
  }
  const { realm, service, issuer } = auth;
  const jwks = join(folder, "jwks.json");
  await writeFile(jwks, auth.jwks);
  return { auth: { token: { realm, service, issuer, jwks, signingalgorithms: ["ES256"] } } };
}
