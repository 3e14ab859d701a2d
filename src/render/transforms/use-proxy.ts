import { listOf } from "../../kube/fields.ts";
import { editManager } from "../deployment.ts";
import { type Draft, mapControllers, type RenderContext } from "../draft.ts";
import { edit } from "../edit.ts";

/** Applies `cluster.proxy`: sets the variables that Go's HTTP client reads, and excludes the cluster's own names from the proxy. */
export function useProxy(drafts: readonly Draft[], { spec, release }: RenderContext): readonly Draft[] {
  const { proxy, domain } = spec.cluster;
  if (proxy === undefined) return drafts;
  // The controllers' own addresses end in a dot, which Go's proxy rules do not ignore.
  const noProxy = [...(proxy.noProxy ?? []), "$(KUBERNETES_SERVICE_HOST)", ".svc", `.${domain}`, `.${domain}.`];
  const variables = [
    ...(proxy.http === undefined ? [] : [{ name: "HTTP_PROXY", value: proxy.http }]),
    ...(proxy.https === undefined ? [] : [{ name: "HTTPS_PROXY", value: proxy.https }]),
    { name: "NO_PROXY", value: [...new Set(noProxy)].join(",") },
  ];
  return mapControllers(drafts, (object) =>
    editManager(object, release.version, (container) =>
      edit(container, ["env"], (env) => [...listOf(env), ...variables]),
    ),
  );
}
