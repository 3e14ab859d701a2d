import type { GroupVersionKind } from "../kube/gvk.ts";
import { formatObjectId, objectIdOf } from "../kube/object-id.ts";
import type { KubeObject } from "../kube/object.ts";
import type { ApiClient, ListOptions, ObjectPage } from "./api-client.ts";
import { ApiError, isExpired, NoSuchKindError } from "./api-error.ts";

/** Objects per page: 40 whole ones fit into the largest answer that is read (64 MiB), since etcd takes none above 1.5 MiB. */
export function pageSizeOf({ metadataOnly }: Pick<ListOptions, "metadataOnly">): number {
  return metadataOnly === true ? 500 : 40;
}

/**
 * All pages of a kind; none when it is not served. When the snapshot of the pages gets too old, the rest comes as it is by then, where the API
 * server offers that; else one page with everything comes at the end, so that some objects come twice. Throws as ApiClient.
 */
export async function* pages(
  gvk: GroupVersionKind,
  options: Omit<ListOptions, "pageSize">,
  client: Pick<ApiClient, "listPage">,
  signal: AbortSignal,
): AsyncGenerator<ObjectPage, void, undefined> {
  let next: { readonly continue?: string } = {};
  let isOffered = false;
  for (let pageSize = pageSizeOf(options); ;) {
    const page = await pageOrUndefined(client.listPage(gvk, { ...options, pageSize, ...next }, signal));
    if (page === "gone") return;
    if (page instanceof ApiError) {
      if (pageSize === 0) throw page;
      // An offer that has expired, too, is no way on.
      const offer: string | undefined = isOffered ? undefined : page.continue;
      isOffered = offer !== undefined;
      next = offer === undefined ? {} : { continue: offer };
      if (offer === undefined) pageSize = 0;
      continue;
    }
    yield page;
    isOffered = false;
    if (page.next === undefined) return;
    next = { continue: page.next };
  }
}

/** All objects of a kind, each once; for lists that are short enough to keep in memory. Throws as ApiClient. */
export async function listAll(
  gvk: GroupVersionKind,
  options: Omit<ListOptions, "pageSize">,
  client: Pick<ApiClient, "listPage">,
  signal: AbortSignal,
): Promise<readonly KubeObject[]> {
  const found = new Map<string, KubeObject>();
  for await (const { items } of pages(gvk, options, client, signal)) {
    for (const item of items) found.set(formatObjectId(objectIdOf(item)), item);
  }
  return [...found.values()];
}

async function pageOrUndefined(page: Promise<ObjectPage>): Promise<ObjectPage | ApiError | "gone"> {
  try {
    return await page;
  } catch (error) {
    if (error instanceof NoSuchKindError) return "gone";
    if (error instanceof ApiError && isExpired(error)) return error;
    throw error;
  }
}
