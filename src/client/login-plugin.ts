import type { RequestOptions } from "node:https";
import { resolve } from "node:path";
import type { Clock } from "../std/clock.ts";
import { errorCode, errorMessage } from "../std/errors.ts";
import { isJsonObject, type JsonValue } from "../std/json.ts";
import { ConnectionConfigError, type Credentials, type TlsMaterial } from "./connection.ts";

type Fields = { readonly [key: string]: JsonValue };

type Login = { readonly tls: Pick<TlsMaterial, "cert" | "key">; readonly authorization: string | undefined };

/** A plugin as a kubeconfig has it, of the user `name`; relative commands start from `dir`. */
export type ExecPlugin = {
  readonly name: string;
  readonly exec: Fields;
  readonly cluster: Fields;
  readonly dir: string;
};

type Surroundings = { readonly env: { readonly [name: string]: string | undefined }; readonly clock: Clock };

/** A person may have to log in with a browser; whatever takes longer hangs. */
const loginMs = 5 * 60_000;
const maxAnswerBytes = 1024 * 1024;

/**
 * Credentials of an exec plugin (client.authentication.k8s.io). It is run when they are needed and when they have expired, and once for all who
 * ask meanwhile. Its messages go to our stderr; its answer is a secret, and in no message of ours.
 */
export function execCredentials(plugin: ExecPlugin, { env, clock }: Surroundings): Credentials {
  let current: (Login & { readonly expiresMs: number }) | undefined;
  let pending: Promise<Login & { readonly expiresMs: number }> | undefined;
  return loginEachTime(async (fresh) => {
    if (pending !== undefined) return await pending;
    if (!fresh && current !== undefined && clock.nowMs() < current.expiresMs) return current;
    pending = runPlugin(plugin, env);
    try {
      current = await pending;
      return current;
    } finally {
      pending = undefined;
    }
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
    try {
      await config.applyToHTTPSOptions(options);
    } catch (error) {
      // What cannot be parsed is quoted by the parser, and may be a token.
      const why = error instanceof SyntaxError ? "its answer cannot be read" : errorMessage(error);
      throw new ConnectionConfigError(`Cannot log in with the auth-provider of the kubeconfig: ${why}`);
    }
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

async function runPlugin(
  plugin: ExecPlugin,
  env: Surroundings["env"],
): Promise<Login & { readonly expiresMs: number }> {
  const command = text(plugin.exec["command"]);
  const failed = (why: string): ConnectionConfigError =>
    new ConnectionConfigError(`Cannot log in as user ${plugin.name} of the kubeconfig: ${command || "exec"} ${why}`);
  if (command === "") throw failed("has no command");
  const { spawn } = await import("node:child_process");
  const args = Array.isArray(plugin.exec["args"]) ? plugin.exec["args"].map(text) : [];
  const path = command.startsWith(".") ? resolve(plugin.dir, command) : command;
  const child = spawn(path, args, {
    env: { ...env, ...pluginEnv(plugin) },
    stdio: ["ignore", "pipe", "inherit"],
    timeout: loginMs,
    killSignal: "SIGKILL",
  });
  const ended = new Promise<string | undefined>((done, fail) => {
    child.once("error", (error) => {
      const hint = text(plugin.exec["installHint"]);
      const isAbsent = errorCode(error) === "ENOENT";
      fail(failed(isAbsent ? `is not installed${hint === "" ? "" : `: ${hint}`}` : `cannot be run: ${error.message}`));
    });
    child.once("close", (code, signal) =>
      done(code === 0 ? undefined : `ended with ${signal ?? code}; its own messages say why`),
    );
  });
  const [why, answer] = await Promise.all([ended, readAnswer(child.stdout)]);
  if (why !== undefined) throw failed(why);
  const login = parseAnswer(answer);
  if (login === undefined) throw failed("did not answer with an ExecCredential in JSON that has a status");
  return login;
}

/** What is too long is cut, and then cannot be parsed. */
async function readAnswer(stdout: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of stdout) {
    bytes += chunk.length;
    if (bytes <= maxAnswerBytes) chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Undefined when the answer is none. The parser's own error would quote the answer. */
function parseAnswer(answer: string): (Login & { readonly expiresMs: number }) | undefined {
  const parsed = parseOrUndefined(answer);
  const status = isJsonObject(parsed) ? parsed["status"] : undefined;
  if (!isJsonObject(status)) return undefined;
  const { token, clientCertificateData: cert, clientKeyData: key, expirationTimestamp: expires } = status;
  const expiresMs = typeof expires === "string" ? Date.parse(expires) : Number.NaN;
  return {
    tls: typeof cert === "string" && typeof key === "string" ? { cert, key } : {},
    authorization: typeof token === "string" && token !== "" ? `Bearer ${token}` : undefined,
    expiresMs: Number.isNaN(expiresMs) ? Number.POSITIVE_INFINITY : expiresMs,
  };
}

function parseOrUndefined(answer: string): unknown {
  try {
    return JSON.parse(answer);
  } catch {
    return undefined; // The caller says so without the answer.
  }
}

function pluginEnv({ exec, cluster }: ExecPlugin): { readonly [name: string]: string } {
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
  const wanted = Array.isArray(exec["env"]) ? exec["env"].filter(isJsonObject) : [];
  const own = wanted.map((entry): [string, string] => [text(entry["name"]), text(entry["value"])]);
  return { ...Object.fromEntries(own), KUBERNETES_EXEC_INFO: JSON.stringify(info) };
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
