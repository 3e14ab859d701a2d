import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { cloudIdentitiesOf } from "../oci/cloud/cloud-identities.ts";
import { proxySettingsOf } from "../oci/proxy.ts";
import { Registry, type RegistryAccess } from "../oci/registry.ts";
import { RegistryError, type RegistryErrorKind } from "../oci/registry-error.ts";
import { systemClock } from "../std/clock.ts";
import { errorCode, errorMessage } from "../std/errors.ts";
import { operatorVersion } from "../std/version.ts";
import { InputError } from "./input.ts";
import type { Terminal } from "./terminal.ts";

type Env = Terminal["env"];

/** Registries as the command line reaches them, with the proxies and cloud identities of the environment. To be closed. */
export function openRegistry(env: Env): Registry {
  const userAgent = `flux-operator-cli/${operatorVersion}`;
  const [proxy, identities] = [proxySettingsOf(env), cloudIdentitiesOf(env)];
  return new Registry({ clock: systemClock, random: Math.random, userAgent, proxy, identities });
}

/** How registries are reached: with the logins of docker's config.json, where there is one. Throws InputError when it cannot be read. */
export async function readAccess(insecure: boolean, env: Env): Promise<RegistryAccess> {
  const dockerConfig = await readDockerConfig(env);
  return { insecure, ...(dockerConfig === undefined ? {} : { dockerConfig }) };
}

async function readDockerConfig(env: Env): Promise<string | undefined> {
  const path = dockerConfigPath(env);
  if (path === undefined) return undefined;
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw new InputError(`Cannot read credentials from ${path}: ${errorMessage(error)}; correct DOCKER_CONFIG`, error);
  }
}

/** What to do about a failure of a registry, to be put behind its message; "" where that says it. `insecure` says which flag allows plain HTTP. */
export function registryRemedy(error: unknown, env: Env, insecure: string): string {
  if (!(error instanceof RegistryError)) return "";
  const login = `; credentials are those of auths in ${dockerConfigPath(env) ?? "~/.docker/config.json"}, credential helpers are not asked`;
  const remedies: { readonly [kind in RegistryErrorKind]?: string } = {
    unauthorized: login,
    credentials: login,
    unreachable: `; check host, port and proxy; ${insecure}`,
  };
  return remedies[error.kind] ?? "";
}

/** Undefined when there is no home folder. */
function dockerConfigPath({ DOCKER_CONFIG: folder = "", HOME: home = "" }: Env): string | undefined {
  if (folder !== "") return join(folder, "config.json");
  return home === "" ? undefined : join(home, ".docker", "config.json");
}
