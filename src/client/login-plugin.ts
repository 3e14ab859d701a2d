import type { RequestOptions } from "node:https";
import { resolve } from "node:path";
import type { ExecAuth } from "@kubernetes/client-node/dist/exec_auth.js";
import { isJsonObject, type JsonValue } from "../std/json.ts";
import type { Credentials, TlsMaterial } from "./connection.ts";

type Fields = { readonly [key: string]: JsonValue };

type Login = { readonly tls: Pick<TlsMaterial, "cert" | "key">; readonly authorization: string | undefined };

/** Credentials of an exec plugin (client.authentication.k8s.io). It is run when they are needed and when they have expired. */
export function execCredentials(plugin: { name: string; exec: Fields; cluster: Fields; dir: string }): Credentials {
  const exec = execWithClusterInfo(plugin);
  let auth: ExecAuth | undefined;
  return loginEachTime(async (fresh) => {
    // Small and without the generated API, unlike the package's own entry. An ExecAuth keeps its answer until that expires.
    const library = await import("@kubernetes/client-node/dist/exec_auth.js");
    if (fresh || auth === undefined) auth = new library.ExecAuth();
    const options: RequestOptions = {};
    await auth.applyAuthentication({ name: plugin.name, exec }, options);
    return loginFrom(options);
  });
}

/** Credentials of the removed in-tree auth providers (oidc, gcp, azure), which only the whole library knows. */
export function legacyCredentials({
  paths,
  context,
}: {
  paths: readonly string[];
  context: string | undefined;
}): Credentials {
  return loginEachTime(async () => {
    const { KubeConfig } = await import("@kubernetes/client-node/dist/config.js");
    const config = new KubeConfig();
    for (const [index, path] of paths.entries()) {
      const file = new KubeConfig();
      file.loadFromFile(path);
      if (index === 0) config.loadFromFile(path);
      else config.mergeConfig(file);
    }
    if (context !== undefined) config.setCurrentContext(context);
    const options: RequestOptions = {};
    await config.applyToHTTPSOptions(options);
    return loginFrom(options);
  });
}

function loginEachTime(logIn: (fresh: boolean) => Promise<Login>): Credentials {
  return {
    tls: async () => (await logIn(false)).tls,
    authorization: async (fresh) => (await logIn(fresh)).authorization,
  };
}

function loginFrom({ cert, key, headers }: RequestOptions): Login {
  const authorization = isJsonObject(headers) ? headers["Authorization"] : undefined;
  return {
    tls: cert === undefined || key === undefined ? {} : { cert: pemText(cert), key: pemText(key) },
    authorization: typeof authorization === "string" ? authorization : undefined,
  };
}

function pemText(pem: unknown): string {
  return Buffer.isBuffer(pem) ? pem.toString("utf8") : String(pem);
}

/** Some plugins insist on KUBERNETES_EXEC_INFO, which the library does not set. */
function execWithClusterInfo({ exec, cluster, dir }: { exec: Fields; cluster: Fields; dir: string }): Fields {
  const clusterInfo = {
    server: cluster["server"],
    "certificate-authority-data": cluster["certificate-authority-data"],
    "tls-server-name": cluster["tls-server-name"],
    "insecure-skip-tls-verify": cluster["insecure-skip-tls-verify"],
  };
  const info = {
    apiVersion: exec["apiVersion"],
    kind: "ExecCredential",
    spec: { interactive: false, ...(exec["provideClusterInfo"] === true ? { cluster: clusterInfo } : {}) },
  };
  const command = typeof exec["command"] === "string" ? exec["command"] : "";
  const env = Array.isArray(exec["env"]) ? exec["env"] : [];
  return {
    ...exec,
    command: command.startsWith(".") ? resolve(dir, command) : command,
    env: [...env, { name: "KUBERNETES_EXEC_INFO", value: JSON.stringify(info) }],
  };
}
