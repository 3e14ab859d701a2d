import { fieldsOf, textOf } from "../kube/fields.ts";
import type { KubeObject } from "../kube/object.ts";
import { apiHostOf, referenceOfImage } from "../oci/reference.ts";
import type { Registry } from "../oci/registry.ts";
import type { Informer } from "../runtime/informer.ts";
import type { ValueMetric } from "../runtime/metrics.ts";

/** The certificates of the registries that the instances name: those of any other host are nobody's affair, and would pile up. */
export function certificateMetric(
  instances: Pick<Informer, "list">,
  registry: Pick<Registry, "certificates">,
): ValueMetric<"host"> {
  return {
    name: "flux_operator_registry_certificate_expiry_timestamp_seconds",
    help: "Until when the TLS certificate of a registry that a FluxInstance names is valid, in seconds since 1970, as of the last connection to it.",
    labels: ["host"],
    values: () =>
      [...new Set(instances.list().flatMap(hostsOf))].flatMap((host) => {
        const expiryMs = registry.certificates.expiryMs(host);
        return expiryMs === undefined ? [] : [[{ host }, expiryMs / 1000]];
      }),
  };
}

/** The hosts that the instance names, with the port where it has one. */
function hostsOf(instance: KubeObject): readonly string[] {
  const { artifact, registry } = fieldsOf(fieldsOf(instance["spec"])["distribution"]);
  return [textOf(artifact), referenceOfImage(`${textOf(registry)}/image`)].flatMap((reference) => {
    const host = apiHostOf(reference);
    return host === undefined ? [] : [host];
  });
}
