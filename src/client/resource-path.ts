import { formatApiVersion } from "../kube/gvk.ts";
import type { ApiResource } from "./api-resource.ts";

/** Query parameters; undefined ones are left out. */
export type Query = { readonly [name: string]: string | number | boolean | undefined };

/** Without `namespace`, the path of all namespaces; without `name`, that of the collection. */
export type Place = {
  readonly namespace?: string | undefined;
  readonly name?: string;
  readonly subresource?: string | undefined;
};

/** "/apis/apps/v1/namespaces/flux-system/deployments/source-controller/status?a=b". Source: Kubernetes API concepts, "Resource URIs". */
export function resourcePath(resource: ApiResource, place: Place, query: Query = {}): string {
  const { namespace, name, subresource } = place;
  const inNamespace = resource.namespaced && namespace !== undefined && namespace !== "";
  const segments = [
    resource.group === "" ? "api" : "apis",
    formatApiVersion(resource),
    ...(inNamespace ? ["namespaces", encodeURIComponent(namespace)] : []),
    resource.plural,
    ...(name === undefined ? [] : [encodeURIComponent(name)]),
    ...(subresource === undefined ? [] : [subresource]),
  ];
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== undefined) parameters.set(key, String(value));
  return `/${segments.join("/")}${parameters.size === 0 ? "" : `?${parameters.toString()}`}`;
}
