import { formatApiVersion, groupKindKey, type GroupKind, type GroupVersionKind } from "../kube/gvk.ts";
import { sha256Hex } from "../std/digest.ts";
import { isJsonObject } from "../std/json.ts";
import { isNotFound } from "./api-error.ts";
import type { ApiResource } from "./api-resource.ts";
import { builtInKinds } from "./built-in-kinds.ts";
import type { Transport } from "./transport.ts";

/**
 * What the API server serves, asked for one group at a time, so that a group whose APIService is down affects no other. Answers are cached, "no
 * such kind" is not. The built-in kinds that we use need no request.
 */
export class Discovery {
  readonly #transport: Pick<Transport, "json">;
  readonly #versions = new Map<string, readonly ApiResource[]>();
  readonly #preferred = new Map<string, string>();

  constructor(transport: Pick<Transport, "json">) {
    this.#transport = transport;
  }

  /** The kind in exactly this version; undefined when it is not served. Throws as `ApiClient`. */
  async find(gvk: GroupVersionKind, signal: AbortSignal): Promise<ApiResource | undefined> {
    const builtIn = builtInKinds.get(groupKindKey(gvk));
    if (builtIn !== undefined && builtIn.version === gvk.version) return builtIn;
    const apiVersion = formatApiVersion(gvk);
    const known = this.#versions.get(apiVersion)?.find((resource) => resource.kind === gvk.kind);
    if (known !== undefined) return known;
    const asked = await this.#askVersion(gvk, signal);
    return asked.find((resource) => resource.kind === gvk.kind);
  }

  /** The kind in the version that the server prefers; undefined when it is not served. Throws as `ApiClient`. */
  async findPreferred(kind: GroupKind, signal: AbortSignal): Promise<ApiResource | undefined> {
    const builtIn = builtInKinds.get(groupKindKey(kind));
    if (builtIn !== undefined) return builtIn;
    const version = await this.#preferredVersion(kind.group, signal);
    return version === undefined ? undefined : await this.find({ ...kind, version }, signal);
  }

  /** All kinds of a group in the server's preferred version; empty when the group is not served. Throws as `ApiClient`. */
  async resourcesOf(group: string, signal: AbortSignal): Promise<readonly ApiResource[]> {
    const version = await this.#preferredVersion(group, signal);
    if (version === undefined) return [];
    return (
      this.#versions.get(formatApiVersion({ group, version })) ?? (await this.#askVersion({ group, version }, signal))
    );
  }

  /** Drops what is cached of a group, or of all. The client does so itself after it writes a CustomResourceDefinition. */
  invalidate(group?: string): void {
    for (const apiVersion of this.#versions.keys()) {
      if (group === undefined || apiVersion.startsWith(`${group}/`)) this.#versions.delete(apiVersion);
    }
    if (group === undefined) this.#preferred.clear();
    else this.#preferred.delete(group);
  }

  async #preferredVersion(group: string, signal: AbortSignal): Promise<string | undefined> {
    if (group === "") return "v1";
    const known = this.#preferred.get(group);
    if (known !== undefined) return known;
    const answer = await this.#ask(`/apis/${group}`, signal);
    const preferred =
      isJsonObject(answer) && isJsonObject(answer["preferredVersion"])
        ? answer["preferredVersion"]["version"]
        : undefined;
    if (typeof preferred !== "string") return undefined;
    this.#preferred.set(group, preferred);
    return preferred;
  }

  async #askVersion(
    gv: { readonly group: string; readonly version: string },
    signal: AbortSignal,
  ): Promise<readonly ApiResource[]> {
    const answer = await this.#ask(gv.group === "" ? `/api/${gv.version}` : `/apis/${gv.group}/${gv.version}`, signal);
    const list = isJsonObject(answer) && Array.isArray(answer["resources"]) ? answer["resources"] : [];
    const resources = list.flatMap((entry) => readResource(entry, gv));
    if (resources.length > 0) this.#versions.set(formatApiVersion(gv), resources);
    return resources;
  }

  async #ask(path: string, signal: AbortSignal): Promise<unknown> {
    try {
      return await this.#transport.json({ method: "GET", path, action: `discover ${path}`, idempotent: true }, signal);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }
}

/** The `storageVersionHash` of a kind that is stored in this version. Source: apiserver endpoints/discovery/storageversionhash.go. */
export function storageHash({ group, version, kind }: GroupVersionKind): string {
  return Buffer.from(sha256Hex(`${group}/${version}/${kind}`).slice(0, 16), "hex").toString("base64");
}

/** Empty for an entry that is no kind, such as the subresource "deployments/scale". */
function readResource(
  entry: unknown,
  gv: { readonly group: string; readonly version: string },
): readonly ApiResource[] {
  if (!isJsonObject(entry)) return [];
  const { name, kind, namespaced, storageVersionHash: hash } = entry;
  if (typeof name !== "string" || typeof kind !== "string" || name.includes("/")) return [];
  const stored = typeof hash === "string" ? { storageVersionHash: hash } : {};
  return [{ group: gv.group, version: gv.version, kind, plural: name, namespaced: namespaced === true, ...stored }];
}
