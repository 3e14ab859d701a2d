import { helm } from "@pulumi/kubernetes";
import { ComponentResource, RunError, type ComponentResourceOptions, type Input, type Output } from "@pulumi/pulumi";
import type { Inputs } from "./inputs.js";
import type { FluxOperatorValues } from "./operator-values.js";

/** What a FluxOperator is made of. */
export interface FluxOperatorArgs {
  /** The operator's chart: `oci://` and a registry, an archive, or a folder. */
  readonly chart: Input<string>;
  /** Version of the chart; needed for one in a registry. */
  readonly version?: Input<string>;
  /**
   * Namespace of the operator and its FluxInstance. It is created, and stays when the operator is uninstalled.
   * Default: flux-system
   */
  readonly namespace?: Input<string>;
  /** Values of the chart. */
  readonly values?: Inputs<FluxOperatorValues>;
  /**
   * How long Helm waits for the operator to become ready, and at the end for Flux to be uninstalled.
   * Default: 300
   */
  readonly timeoutSeconds?: Input<number>;
}

/** The Flux operator, installed by its chart with Helm, which also runs the hook that uninstalls Flux before the operator. */
export class FluxOperator extends ComponentResource {
  /** Namespace of the operator and its FluxInstance. */
  declare readonly namespace: Output<string>;
  /** The release of the chart. */
  declare readonly release: helm.v3.Release;

  constructor(name: string, args: FluxOperatorArgs, opts?: ComponentResourceOptions) {
    if (args?.chart === undefined)
      throw new RunError(
        `FluxOperator ${name} has no chart: set chart to the operator's, such as oci://registry.example.com/charts/flux-operator`,
      );
    super("flux-operator:index:FluxOperator", name, {}, opts);
    const { chart, version, namespace = "flux-system", values, timeoutSeconds } = args;
    this.release = new helm.v3.Release(
      name,
      {
        name: "flux-operator",
        chart,
        namespace,
        createNamespace: true,
        ...(version !== undefined && { version }),
        ...(values !== undefined && { values: values as Input<{ [name: string]: unknown }> }),
        ...(timeoutSeconds !== undefined && { timeout: timeoutSeconds }),
      },
      // Cluster roles and the CRD have one name: a second release could not be installed before the first is gone.
      { parent: this, deleteBeforeReplace: true },
    );
    this.namespace = this.release.namespace;
    this.registerOutputs({ namespace: this.namespace });
  }
}
