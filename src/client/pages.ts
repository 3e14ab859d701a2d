import type { GroupVersionKind } from "../kube/gvk.ts";
import { formatObjectId, objectIdOf } from "../kube/object-id.ts";
import type { KubeObject } from "../kube/object.ts";
import type { ApiClient, ListOptions, ObjectPage } from "./api-client.ts";
import { isExpired, NoSuchKindError } from "./api-error.ts";

const pageSize = 500;

/**
 * All pages of a kind; none when it is not served. When the snapshot of the pages gets too old, one page with everything comes at the end, so
 * that some objects come twice. Throws as ApiClient.
 */
export async function* pages(
  gvk: GroupVersionKind,
  options: Omit<ListOptions, "pageSize">,
  client: Pick<ApiClient, "listPage">,
  signal: AbortSignal,
): AsyncGenerator<ObjectPage, void, undefined> {
  let next: { readonly continue?: string } = {};
  for (let size = pageSize; ;) {
    const page = await pageOrUndefined(client.listPage(gvk, { ...options, pageSize: size, ...next }, signal));
    if (page === "gone") return;
    if (page === "expired") {
      [size, next] = [0, {}];
      continue;
    }
    yield page;
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

async function pageOrUndefined(page: Promise<ObjectPage>): Promise<ObjectPage | "gone" | "expired"> {
  try {
    return await page;
  } catch (error) {
    if (error instanceof NoSuchKindError) return "gone";
    if (isExpired(error)) return "expired";
    throw error;
  }
}
