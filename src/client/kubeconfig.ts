import { dirname, resolve } from "node:path";
import { parse } from "yaml";
import { errorMessage } from "../std/errors.ts";
import { isJsonObject, type JsonValue } from "../std/json.ts";
import {
  type Credentials,
  ConnectionConfigError,
  cachedFile,
  readText,
  type Connection,
  type LoadConnectionOptions,
  type TlsMaterial,
} from "./connection.ts";
import { impersonationOf } from "./impersonation.ts";
import { execCredentials, legacyCredentials } from "./login-plugin.ts";

type Fields = { readonly [key: string]: JsonValue };

/** An entry of a kubeconfig list, with the folder that its relative paths start from. */
type Entry = { readonly name: string; readonly fields: Fields; readonly dir: string };

type Merged = {
  readonly current: string | undefined;
  readonly clusters: readonly Entry[];
  readonly users: readonly Entry[];
  readonly contexts: readonly Entry[];
};

/**
 * Reads kubeconfig files; the first of several counts, as with kubectl. Certificates, tokens and passwords are read here: loading
 * @kubernetes/client-node for them would cost 80 MB and 0.4 s. Plugins are run by `login-plugin.ts`. Throws ConnectionConfigError.
 */
export async function readKubeconfig(
  options: LoadConnectionOptions & { readonly paths: readonly string[] },
): Promise<Connection> {
  const files = await Promise.all(options.paths.map(readFileFields));
  const merged = merge(files);
  const where = options.paths.join(":");
  const contextName = options.context ?? merged.current;
  if (contextName === undefined)
    throw new ConnectionConfigError(`Cannot use ${where}: it has no current-context; choose one with --context`);
  const context = find(merged.contexts, contextName, `context in ${where}`);
  const cluster = find(merged.clusters, text(context.fields, "cluster") ?? "", `cluster in ${where}`);
  const userName = text(context.fields, "user");
  const user = userName === undefined ? undefined : find(merged.users, userName, `user in ${where}`);
  return connect({ options, where, cluster, user, namespace: text(context.fields, "namespace") ?? "default" });
}

type Chosen = {
  readonly options: LoadConnectionOptions & { readonly paths: readonly string[] };
  readonly where: string;
  readonly cluster: Entry;
  readonly user: Entry | undefined;
  readonly namespace: string;
};

function connect({ options, where, cluster, user, namespace }: Chosen): Connection {
  const server = text(cluster.fields, "server");
  if (server === undefined)
    throw new ConnectionConfigError(`Cannot use ${where}: cluster ${cluster.name} has no server`);
  if (text(cluster.fields, "proxy-url") !== undefined) {
    throw new ConnectionConfigError(
      `Cannot use ${where}: proxy-url of cluster ${cluster.name} is not supported; reach the server directly`,
    );
  }
  const serverName = text(cluster.fields, "tls-server-name");
  const credentials = user === undefined ? anonymous : credentialsOf({ user, cluster, options });
  const headers = user === undefined ? {} : impersonationOf(user.fields, `user ${user.name} of ${where}`);
  return {
    server,
    namespace,
    tls: async () => {
      const ca = await pem(cluster, "certificate-authority");
      return {
        insecure: cluster.fields["insecure-skip-tls-verify"] === true,
        ...(ca === undefined ? {} : { ca }),
        ...(serverName === undefined ? {} : { serverName }),
        ...(await credentials.tls()),
      };
    },
    authorization: (fresh) => credentials.authorization(fresh),
    headers,
  };
}

const anonymous: Credentials = { tls: async () => ({}), authorization: async () => undefined };

function credentialsOf({
  user,
  cluster,
  options,
}: {
  user: Entry;
  cluster: Entry;
  options: Chosen["options"];
}): Credentials {
  const { fields } = user;
  if (isJsonObject(fields["exec"]))
    return execCredentials({ name: user.name, exec: fields["exec"], cluster: cluster.fields, dir: user.dir }, options);
  if (isJsonObject(fields["auth-provider"]))
    return legacyCredentials({ paths: options.paths, context: options.context });
  return { tls: () => clientCertificate(user), authorization: staticAuthorization(user, options) };
}

async function clientCertificate(user: Entry): Promise<Pick<TlsMaterial, "cert" | "key">> {
  const cert = await pem(user, "client-certificate");
  const key = await pem(user, "client-key");
  return cert === undefined || key === undefined ? {} : { cert, key };
}

function staticAuthorization(
  { fields, dir }: Entry,
  { clock }: Chosen["options"],
): (fresh: boolean) => Promise<string | undefined> {
  const file = text(fields, "tokenFile");
  if (file !== undefined) {
    const read = cachedFile(resolve(dir, file), clock);
    return async (fresh) => `Bearer ${await read(fresh)}`;
  }
  const token = text(fields, "token");
  if (token !== undefined) return async () => `Bearer ${token}`;
  const username = text(fields, "username");
  if (username === undefined) return async () => undefined;
  const basic = Buffer.from(`${username}:${text(fields, "password") ?? ""}`).toString("base64");
  return async () => `Basic ${basic}`;
}

/** `<field>-data` in base64, or the file that `<field>` names. */
async function pem({ fields, dir }: Entry, field: string): Promise<string | undefined> {
  const data = text(fields, `${field}-data`);
  if (data !== undefined) return Buffer.from(data, "base64").toString("utf8");
  const file = text(fields, field);
  return file === undefined ? undefined : await readText(resolve(dir, file));
}

type File = { readonly fields: Fields; readonly dir: string };

async function readFileFields(path: string): Promise<File> {
  const content = await readText(path);
  try {
    const fields: unknown = parse(content);
    if (!isJsonObject(fields)) throw new ConnectionConfigError(`Cannot read ${path}: it is no kubeconfig`);
    return { fields, dir: dirname(resolve(path)) };
  } catch (error) {
    if (error instanceof ConnectionConfigError) throw error;
    throw new ConnectionConfigError(`Cannot read ${path}: ${errorMessage(error)}`, error);
  }
}

function merge(files: readonly File[]): Merged {
  return {
    current: files.map(({ fields }) => text(fields, "current-context")).find((name) => name !== undefined),
    clusters: files.flatMap((file) => entries(file, "clusters", "cluster")),
    users: files.flatMap((file) => entries(file, "users", "user")),
    contexts: files.flatMap((file) => entries(file, "contexts", "context")),
  };
}

function entries({ fields, dir }: File, list: string, member: string): readonly Entry[] {
  const found: JsonValue = fields[list] ?? [];
  if (!Array.isArray(found)) return [];
  return found.filter(isJsonObject).map((entry: Fields) => {
    const inner = entry[member];
    return { name: text(entry, "name") ?? "", fields: isJsonObject(inner) ? inner : {}, dir };
  });
}

function find(entries: readonly Entry[], name: string, what: string): Entry {
  const entry = entries.find((candidate) => candidate.name === name);
  if (entry !== undefined) return entry;
  const names = entries.map((candidate) => candidate.name).join(", ");
  throw new ConnectionConfigError(`Cannot find "${name}", a ${what}: there are ${names === "" ? "none" : names}`);
}

function text(fields: Fields, key: string): string | undefined {
  const value = fields[key];
  return typeof value === "string" && value !== "" ? value : undefined;
}
