import type { ObjectMeta } from "../../kube/object.ts";
import { fluxInstance } from "../names.ts";
import { choice, fields, openFields, optional, text, textMap } from "./build.ts";
import { dnsLabel } from "./patterns.ts";
import { fluxInstanceSpecSchema, type FluxInstanceSpec } from "./spec.ts";
import { fluxInstanceStatusSchema, type FluxInstanceStatus } from "./status.ts";

/** The description of the kind, for the CRD and docs/api.md. */
export const fluxInstanceDescription = "FluxInstance is a Flux in this cluster, all of it described by one object.";

/** The schema of the whole object, as it is in a file or comes from the API server. */
export const fluxInstanceSchema = fields(fluxInstanceDescription, {
  apiVersion: choice("Group and version.", [...fluxInstance.apiVersions]),
  kind: choice("Kind.", [fluxInstance.kind]),
  metadata: openFields("Standard metadata; the name is flux.", {
    name: text("Name.", { minLength: 1 }),
    namespace: optional(text("Namespace, that of the operator.", { maxLength: 63, pattern: dnsLabel })),
    labels: optional(textMap("Labels.", {}, 4096)),
    annotations: optional(textMap("Annotations.", {}, 4096)),
  }),
  spec: fluxInstanceSpecSchema,
  status: optional(fluxInstanceStatusSchema),
});

/** A FluxInstance that has been parsed. `fluxInstanceSchema` describes the same type. */
export type FluxInstance = {
  readonly apiVersion: (typeof fluxInstance.apiVersions)[number];
  readonly kind: typeof fluxInstance.kind;
  readonly metadata: ObjectMeta;
  readonly spec: FluxInstanceSpec;
  readonly status?: FluxInstanceStatus;
};
