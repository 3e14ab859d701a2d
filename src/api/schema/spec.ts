import { choice, fields, flag, list, optional, text, textMap, type ValueOf } from "./build.ts";
import { clusterSchema, component } from "./cluster.ts";
import { distributionSchema } from "./distribution.ts";
import {
  cron,
  dnsLabel,
  dnsSubdomainOrEmpty,
  duration,
  jsonPointer,
  labelKeyOrEmpty,
  labelValue,
  quantity,
  timeZone,
} from "./patterns.ts";
import { syncSchema } from "./sync.ts";

const shardNames = (description: string) =>
  list(description, text("Name of a shard.", { minLength: 1, maxLength: 40, pattern: dnsLabel }), {
    minItems: 1,
    maxItems: 64,
    uniqueItems: true,
  });

const sharding = fields("Extra Deployments of the controllers, each for the objects that carry a shard's label.", {
  key: optional(
    text("Label key that tells the shard of an object.", {
      maxLength: 317,
      pattern: labelKeyOrEmpty,
      absent: "sharding.fluxcd.io/key",
    }),
  ),
  shards: optional(shardNames("Names of the shards. Required unless spec.shards has them.")),
  storage: optional(
    choice(
      "Where a shard's source-controller keeps its artifacts. persistent: a volume of spec.storage's class and size.",
      ["ephemeral", "persistent"],
      { absent: "ephemeral" },
    ),
  ),
});

const storage = fields("Persistent volume of source-controller.", {
  class: text("StorageClass of the volume.", { maxLength: 253, pattern: dnsSubdomainOrEmpty }),
  size: text("Size of the volume, such as 10Gi.", { minLength: 1, maxLength: 64, pattern: quantity }),
});

const commonMetadata = fields("Labels and annotations for everything that is installed.", {
  labels: optional(textMap("Labels to add.", { maxLength: 63, pattern: labelValue }, 64)),
  annotations: optional(textMap("Annotations to add.", { maxLength: 65_536 }, 64)),
});

const target = (description: string) =>
  fields(description, {
    group: optional(text("API group, as an anchored regular expression.", { maxLength: 1024 })),
    version: optional(text("API version, as an anchored regular expression.", { maxLength: 1024 })),
    kind: optional(text("Kind, as an anchored regular expression.", { maxLength: 1024 })),
    name: optional(text("Name, as an anchored regular expression.", { maxLength: 1024 })),
    namespace: optional(text("Namespace, as an anchored regular expression.", { maxLength: 1024 })),
    labelSelector: optional(text("Label selector, such as app in (a, b).", { maxLength: 4096 })),
    annotationSelector: optional(text("Selector over annotations, in the same syntax.", { maxLength: 4096 })),
  });

const patch = fields("One patch.", {
  patch: text("JSON 6902 operations or a strategic merge patch, as YAML or JSON.", { maxLength: 524_288 }),
  target: optional(target("Objects to patch. Without it, a strategic merge patch names its object itself.")),
});

const kustomize = fields("Changes to what is installed.", {
  patches: optional(list("Patches, applied in this order after all else.", patch, { maxItems: 512 })),
  strict: optional(flag("Refuse a patch that matches nothing.", { absent: "false" })),
});

const window = fields("A time in which upgrades may start.", {
  schedule: text("Start of the window: cron with five fields.", { maxLength: 256, pattern: cron }),
  duration: text("How long the window is open, such as 2h.", { maxLength: 64, pattern: duration }),
  timeZone: optional(
    text("Time zone of the schedule, such as Europe/Berlin.", { maxLength: 64, pattern: timeZone, absent: "UTC" }),
  ),
});

const upgrade = fields("When Flux may be upgraded, and what a failed upgrade does. Drift is repaired at any time.", {
  paused: optional(flag("Stay on the version and images that run.", { absent: "false" })),
  windows: optional(list("Windows in which upgrades may start.", window, { maxItems: 32, absent: "always" })),
  rollback: optional(
    flag("Roll back to the last healthy revision when an upgrade does not become healthy.", { absent: "true" }),
  ),
});

const driftIgnore = fields("Fields that others may change.", {
  target: target("Objects it holds for."),
  paths: list("The fields, as JSON pointers.", text("A JSON pointer.", { maxLength: 1024, pattern: jsonPointer }), {
    minItems: 1,
    maxItems: 64,
  }),
});

/** What a user may write under `spec`, with the names of v1alpha1 and of v1. */
export const fluxInstanceSpecSchema = fields("What Flux shall look like.", {
  distribution: distributionSchema,
  components: optional(
    list("Controllers to install.", component("A controller."), {
      maxItems: 7,
      absent: "source-, kustomize-, helm- and notification-controller",
    }),
  ),
  cluster: optional(clusterSchema),
  sharding: optional(sharding),
  shards: optional(shardNames("Other name of sharding.shards, from v1alpha1.")),
  storage: optional(storage),
  commonMetadata: optional(commonMetadata),
  kustomize: optional(kustomize),
  sync: optional(syncSchema),
  wait: optional(flag("Report Ready only when what was applied is healthy.", { default: true })),
  migrateResources: optional(
    flag("Rewrite stored Flux objects when an upgrade changes the version they are stored in.", { default: true }),
  ),
  upgrade: optional(upgrade),
  driftIgnore: optional(list("Exceptions from drift repair.", driftIgnore, { maxItems: 64 })),
  deletionPolicy: optional(
    choice(
      "What deleting the instance removes. Uninstall: all of Flux but no workload. KeepResources: the controllers only. Orphan: nothing.",
      ["Uninstall", "KeepResources", "Orphan"],
      { absent: "Uninstall" },
    ),
  ),
});

/** `spec` as the user has written it. */
export type FluxInstanceSpec = ValueOf<typeof fluxInstanceSpecSchema>;
