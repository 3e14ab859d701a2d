// Tests: src/client/load-connection.test.ts, test/integration/client.test.ts
import { isJsonObject, type JsonValue } from "../std/json.ts";
import { ConnectionConfigError } from "./connection.ts";

/** Headers that every request carries. */
export type Headers = { readonly [name: string]: string | readonly string[] };

/**
 * The headers by which a kubeconfig's user asks to be treated as another: `as`, `as-uid`, `as-groups`, `as-user-extra`. Empty without these.
 * Throws ConnectionConfigError when they cannot be honoured, since without them the user has other rights than meant. Source: Kubernetes,
 * "User impersonation"; client-go transport/round_trippers.go.
 */
export function impersonationOf(user: { readonly [key: string]: JsonValue }, where: string): Headers {
  const refuse = (why: string): ConnectionConfigError => new ConnectionConfigError(`Cannot use ${where}: ${why}`);
  const as = textIn(user, "as", refuse);
  const uid = textIn(user, "as-uid", refuse);
  const groups = textsIn(user, "as-groups", refuse);
  const extra = user["as-user-extra"] ?? {};
  if (!isJsonObject(extra)) throw refuse("as-user-extra is no map of lists");
  const extras = Object.keys(extra).map((key): [string, readonly string[]] => [
    `Impersonate-Extra-${escapeHeader(key.toLowerCase())}`,
    textsIn(extra, key, refuse),
  ]);
  if (as === undefined) {
    if (uid === undefined && groups.length === 0 && extras.length === 0) return {};
    throw refuse("as-uid, as-groups and as-user-extra mean nothing without as; set as, or remove them");
  }
  return {
    "Impersonate-User": as,
    ...(uid === undefined ? {} : { "Impersonate-Uid": uid }),
    ...(groups.length === 0 ? {} : { "Impersonate-Group": groups }),
    ...Object.fromEntries(extras),
  };
}

type Refuse = (why: string) => ConnectionConfigError;

function textIn(fields: { readonly [key: string]: JsonValue }, key: string, refuse: Refuse): string | undefined {
  const value = fields[key];
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value !== "string") throw refuse(`${key} is no text`);
  return value;
}

function textsIn(fields: { readonly [key: string]: JsonValue }, key: string, refuse: Refuse): readonly string[] {
  const value = fields[key] ?? [];
  if (!Array.isArray(value)) throw refuse(`${key} is no list of texts`);
  return value.map((entry) => {
    if (typeof entry !== "string") throw refuse(`${key} is no list of texts`);
    return entry;
  });
}

/** Percent-encodes what no header's name may have, as the API server decodes it. */
function escapeHeader(key: string): string {
  const bytes = [...Buffer.from(key, "utf8")];
  const legal = /[\w!#$&'*+.^`|~-]/;
  return bytes
    .map((byte) => {
      const character = String.fromCharCode(byte);
      return byte < 128 && legal.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    })
    .join("");
}
