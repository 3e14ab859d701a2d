import { isJsonObject, type JsonValue } from "../../src/std/json.ts";
import type { ChartValue } from "../charts/chart-values.ts";
import { instanceValue, schemaOf } from "../charts/values-schema.ts";
import { block, cueComment, cueLabel, cueValue } from "./cue.ts";
import { cueType } from "./schema.ts";

/** What Timoni's users read and get instead of what a chart's values.yaml says. */
export type TimoniValues = {
  /** Values that the module does not have, by path, and why. */
  readonly without: { readonly [path: string]: string };
  /** Descriptions by path, where that of values.yaml speaks of Helm. */
  readonly words: { readonly [path: string]: string };
  /** CUE types by path, where values.yaml only says that a value is a list or a map. */
  readonly types: { readonly [path: string]: string };
};

const name = "Replaces the module's name in the label `app.kubernetes.io/name`";
const texts = "{[string]: string}";

/** How the values of the module flux-operator differ from those of the chart. */
export const operatorValues: TimoniValues = {
  without: {
    uninstall:
      "Timoni has no moment before a removal. Delete the instance first: Timoni waits until Flux is uninstalled.",
  },
  words: {
    nameOverride: `${name} and in the names of objects.`,
    fullnameOverride: "Replaces the name of all objects, which is that of the Timoni instance or begins with it.",
    installCRDs:
      "Install and upgrade the CustomResourceDefinition of FluxInstance. It stays when the Timoni instance is deleted, with `false` too.",
    "image.tag":
      "Tag, also with a digest (`v1@sha256:...`). Empty means the version of the operator that the module was made for.",
    "rbac.create":
      "Create the operator's roles and bindings. Without them, grant what templates/rules_gen.cue has before you install.",
    "apiPriority.extraServiceAccounts":
      "Other service accounts that share it, as `- name: kustomize-controller`, with `namespace` if it is not that of the operator.",
    "rbac.external":
      'Let Timoni write the cluster roles of Flux\'s controllers instead of the operator, which then has neither `bind` nor `escalate`. The FluxInstance has to leave them out: see "Cluster roles that Timoni writes".',
  },
  types: {
    commonLabels: texts,
    commonAnnotations: texts,
    "image.pullSecrets": "[...corev1.#LocalObjectReference]",
    fipsModule: "{...}",
    extraArgs: "[...string]",
    extraEnvs: "[...corev1.#EnvVar]",
    extraVolumes: "[...corev1.#Volume]",
    extraVolumeMounts: "[...corev1.#VolumeMount]",
    resources: "#Resources",
    livenessProbe: "corev1.#Probe",
    readinessProbe: "corev1.#Probe",
    podSecurityContext: "corev1.#PodSecurityContext",
    securityContext: "corev1.#SecurityContext",
    nodeSelector: texts,
    tolerations: "[...corev1.#Toleration]",
    affinity: "corev1.#Affinity",
    "serviceMonitor.labels": texts,
    "apiPriority.extraServiceAccounts": "[...{name!: string, namespace?: string}]",
  },
};

/** How the values of the module flux-instance differ from those of the chart. */
export const instanceValues: TimoniValues = {
  without: {
    fullnameOverride: "A cluster has one FluxInstance, and its name is flux, whatever the Timoni instance is called.",
    healthcheck: "Timoni itself waits until the FluxInstance is ready.",
    createInstance: "The FluxInstance is all that there is in the module.",
  },
  words: {
    nameOverride: `${name}.`,
    [instanceValue]: "The spec of the FluxInstance. Texts, lists and maps that are empty are not set.",
  },
  types: { commonLabels: texts, commonAnnotations: texts },
};

/** Those of a chart's values that the module has, with its words. */
export function moduleValues(values: readonly ChartValue[], own: TimoniValues): readonly ChartValue[] {
  return values.filter(({ path }) => own.without[path] === undefined).map((value) => withWords(value, own));
}

function withWords({ members, ...value }: ChartValue, own: TimoniValues): ChartValue {
  const description = own.words[value.path] ?? value.description;
  return { ...value, description, ...(members !== undefined && { members: moduleValues(members, own) }) };
}

/** The CUE definition #Values: types, defaults and descriptions of `values`, which are those of `moduleValues`. */
export function valuesCue(values: readonly ChartValue[], { types }: TimoniValues): string {
  return `// What users may set.\n#Values: ${fieldsOf(values, types, "")}\n`;
}

function fieldsOf(values: readonly ChartValue[], types: TimoniValues["types"], indent: string): string {
  const below = `${indent}\t`;
  const lines = values.map(
    (value) => `${cueComment(value.description, below)}${cueLabel(value.name)}: ${typeOf(value, types, below)}`,
  );
  return block("{", lines, "}", indent);
}

function typeOf(value: ChartValue, types: TimoniValues["types"], indent: string): string {
  const { path, members, default: byDefault } = value;
  if (path === instanceValue) return cueType(schemaOf(value), indent, byDefault);
  if (members !== undefined) return fieldsOf(members, types, indent);
  const type = types[path];
  if (type === undefined) return cueType(schemaOf(value), indent, byDefault);
  const isEmpty = typeof byDefault === "object" && Object.keys(byDefault ?? {}).length === 0;
  return isEmpty ? type : openDefault(byDefault, indent, type);
}

/** A map whose fields can be replaced one by one, and taken away as a whole with null where the type allows that. */
function openDefault(byDefault: JsonValue, indent: string, type?: string): string {
  if (Array.isArray(byDefault)) return `*${cueValue(byDefault, indent)} | [...]`;
  if (!isJsonObject(byDefault)) return `*${cueValue(byDefault)} | _`;
  const lines = Object.entries(byDefault).map(
    ([key, member]) => `${cueLabel(key)}: ${openDefault(member, `${indent}\t`)}`,
  );
  const struct = block("{", lines, "}", indent);
  return `*${type === undefined ? struct : `(${type} & ${struct})`} | null`;
}
