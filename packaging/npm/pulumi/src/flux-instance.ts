import { apiVersion, kind, type FluxInstanceSpec, type FluxInstanceStatus } from "@flux-operator/flux-instance-types";
import { apiextensions } from "@pulumi/kubernetes";
import { mergeOptions, RunError, type CustomResourceOptions, type Input, type Output } from "@pulumi/pulumi";
import type { FluxOperator } from "./flux-operator.js";
import type { Inputs } from "./inputs.js";

/** What a FluxInstance is made of. */
export interface FluxInstanceArgs {
  /** The operator: it is installed first and uninstalled last, and the instance stands in its namespace. Left out where others install it. */
  readonly operator?: FluxOperator;
  /** Metadata, but for the name, which is flux. */
  readonly metadata?: {
    /**
     * Namespace, that of the operator. Left out where `operator` is given.
     * Default: flux-system
     */
    readonly namespace?: Input<string>;
    /** Labels. */
    readonly labels?: Input<{ [key: string]: Input<string> }>;
    /** Annotations. */
    readonly annotations?: { readonly [key: string]: Input<string> };
  };
  /** What Flux shall look like. */
  readonly spec: Inputs<FluxInstanceSpec>;
  /**
   * Whether Pulumi waits until Flux is Ready. `customTimeouts` of the options say for how long.
   * Default: true
   */
  readonly wait?: boolean;
}

/** The Flux of a cluster. Deleting it removes Flux as `spec.deletionPolicy` says, and no workload. */
export class FluxInstance extends apiextensions.CustomResource {
  /** What Flux shall look like, with the defaults of the API server. */
  declare readonly spec: Output<FluxInstanceSpec>;
  /**
   * What Flux looks like when Pulumi stops to wait. With `wait: false` it may still be undefined: read its fields from the output
   * (`status.lastAppliedVersion`), which minds that, and not in `apply`.
   */
  declare readonly status: Output<FluxInstanceStatus>;

  constructor(name: string, args: FluxInstanceArgs, opts?: CustomResourceOptions) {
    refuse(name, args);
    const { operator, metadata = {}, spec, wait = true } = args;
    // The operator's namespace is an output of its release: by it the instance depends on the operator, and is deleted first.
    const { namespace = operator?.namespace ?? "flux-system", labels, annotations } = metadata;
    const inputs = {
      apiVersion,
      kind,
      metadata: {
        name: "flux",
        namespace,
        ...(labels !== undefined && { labels }),
        annotations: { ...(wait && { "pulumi.com/waitFor": "condition=Ready" }), ...annotations },
      },
      spec,
      // Known after the instance has been applied. Named here since Pulumi resolves no output that it was not told of.
      status: undefined,
    };
    // A cluster has one instance: in another namespace, too, the old one goes first.
    super(name, inputs as apiextensions.CustomResourceArgs, mergeOptions({ deleteBeforeReplace: true }, opts));
  }
}

/** What types do not keep out of programs in JavaScript, nor of those that combine fields. */
function refuse(name: string, args: FluxInstanceArgs | undefined): asserts args is FluxInstanceArgs {
  const problem = problemOf(args);
  if (problem !== undefined) throw new RunError(`FluxInstance ${name} ${problem}`);
}

function problemOf(args: FluxInstanceArgs | undefined): string | undefined {
  if (args?.spec === undefined)
    return "has no spec: set at least spec.distribution.version and spec.distribution.registry";
  const { operator, metadata = {} } = args;
  if ("name" in metadata && metadata.name !== "flux")
    return `has the metadata.name ${JSON.stringify(metadata.name)}: remove it, the one instance of a cluster is named flux`;
  if (operator !== undefined && metadata.namespace !== undefined)
    return "has both operator and metadata.namespace: remove metadata.namespace, the instance stands in the operator's";
  return undefined;
}
