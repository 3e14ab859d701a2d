import { fluxInstance, instanceAnnotations } from "../api/names.ts";
import { conditionTypes } from "../api/reasons.ts";
import { fieldsOf, listOf, textOf } from "../kube/fields.ts";
import { parseApiVersion } from "../kube/gvk.ts";
import type { KubeObject } from "../kube/object.ts";
import type { Informer } from "../runtime/informer.ts";
import type { StateMetric } from "../runtime/metrics.ts";
import { operatorVersion } from "../std/version.ts";

type Label =
  | "uid"
  | "kind"
  | "name"
  | "exported_namespace"
  | "ready"
  | "reason"
  | "suspended"
  | "registry"
  | "revision"
  | "version"
  | "latest_version"
  | "up_to_date";

/** What names an instance in every metric. */
export type InstanceLabel = "exported_namespace" | "name";

/** The values of these labels. */
export function instanceLabels({ metadata }: KubeObject): { readonly [label in InstanceLabel]: string } {
  return { exported_namespace: metadata.namespace ?? "", name: metadata.name };
}

/** `flux_instance_info` in the Go operator's labels and three of ours, made from what the watch knows at each scrape. */
export function instanceMetric(instances: Pick<Informer, "list">): StateMetric<Label> {
  return {
    name: "flux_instance_info",
    help: "The current status of a FluxInstance.",
    labels: [
      "uid",
      "kind",
      "name",
      "exported_namespace",
      "ready",
      "reason",
      "suspended",
      "registry",
      "revision",
      "version",
      "latest_version",
      "up_to_date",
    ],
    rows: () => instances.list().map(rowOf),
  };
}

/** `flux_operator_info` in the Go operator's labels, from the first scrape on, whether the process leads or not. */
export function operatorMetric(): StateMetric<"version" | "api_version" | "platform"> {
  const platform = `${process.platform}/${process.arch === "x64" ? "amd64" : process.arch}`;
  const { version } = parseApiVersion(fluxInstance.storageApiVersion);
  return {
    name: "flux_operator_info",
    help: "The operator that runs in this process.",
    labels: ["version", "api_version", "platform"],
    rows: () => [{ version: `v${operatorVersion}`, api_version: version, platform }],
  };
}

/** A row for each kind that cannot be listed or watched. */
export function watchMetric(
  informers: () => readonly Pick<Informer, "gvk" | "trouble">[],
): StateMetric<"kind" | "reason"> {
  return {
    name: "flux_operator_watch_failing",
    help: "Kinds that cannot be listed or watched: drift of their objects is seen only when the instance is reconciled.",
    labels: ["kind", "reason"],
    rows: () =>
      informers().flatMap(({ gvk, trouble }) =>
        trouble === undefined ? [] : [{ kind: gvk.kind, reason: trouble.reason }],
      ),
  };
}

/** 1 where OpenSSL takes FIPS algorithms only, asked for or not; else 0. */
export function fipsMetric(isFips: () => boolean): StateMetric<never> {
  return {
    name: "flux_operator_fips",
    help: "Whether OpenSSL's FIPS provider does the cryptography of this process.",
    labels: [],
    rows: () => (isFips() ? [{}] : []),
  };
}

function rowOf(instance: KubeObject): { readonly [label in Label]: string } {
  const { uid = "", name, namespace = "", annotations = {} } = instance.metadata;
  const status = fieldsOf(instance["status"]);
  const conditions = listOf(status["conditions"]).map(fieldsOf);
  const ready = conditions.find((condition) => condition["type"] === conditionTypes.ready);
  const upToDate = conditions.find((condition) => condition["type"] === conditionTypes.upToDate);
  const suspended = annotations[instanceAnnotations.reconcile]?.trim().toLowerCase() === "disabled";
  return {
    uid,
    kind: instance.kind,
    name,
    exported_namespace: namespace,
    ready: ready === undefined ? "Unknown" : textOf(ready["status"]),
    reason: textOf(ready?.["reason"]),
    suspended: suspended ? "True" : "False",
    registry: textOf(fieldsOf(fieldsOf(instance["spec"])["distribution"])["registry"]),
    revision: textOf(status["lastAppliedRevision"]),
    version: textOf(status["lastAppliedVersion"]),
    latest_version: textOf(status["latestVersion"]),
    up_to_date: upToDate === undefined ? "Unknown" : textOf(upToDate["status"]),
  };
}
