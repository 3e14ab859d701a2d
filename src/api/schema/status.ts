import { choice, count, list, openFields, optional, text, textMap, type ValueOf } from "./build.ts";

const time = (description: string) => text(description, { format: "date-time" });

const condition = openFields("One aspect of the instance's state.", {
  type: text("Ready, Reconciling, Stalled, UpToDate, Synced, Unattended or Warning.", {
    maxLength: 316,
    pattern:
      "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
  }),
  status: choice("Whether the aspect holds.", ["True", "False", "Unknown"]),
  reason: text("Why, as one word.", {
    minLength: 1,
    maxLength: 1024,
    pattern: "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
  }),
  message: text("Why, for people: what is wrong, where, and what to do.", { maxLength: 32_768 }),
  lastTransitionTime: time("When the status last changed."),
  observedGeneration: optional(count("Generation of the spec that this is about.")),
});

const component = openFields("A controller as it was applied.", {
  name: text("Name of the controller."),
  repository: text("Its image, without tag and digest."),
  tag: text("Tag of the image."),
  digest: optional(text("Digest of the image, when pinned.")),
});

const image = openFields("An image with its digest.", {
  name: text("Repository and tag."),
  digest: optional(text("sha256 digest; absent when the image is not pinned.")),
});

const vulnerabilities = openFields(
  "Which statements (OpenVEX) about vulnerabilities of this minor come with what is applied; `flux-operator get vulnerabilities` shows those that are about its images.",
  {
    source: choice("Where they are: embedded in the operator, or in the artifact.", ["Embedded", "Artifact"]),
    digest: text("Digest of them; the same for the same statements."),
    updated: text("When their author changed them last."),
    statements: count("How many there are."),
  },
);

const inventory = openFields("The objects that the instance owns.", {
  entries: list(
    "One entry an object.",
    openFields("An object.", {
      id: text("namespace_name_group_kind"),
      v: text("API version that it was applied with."),
    }),
  ),
});

const history = openFields("Runs with the same outcome on the same revision.", {
  digest: text("Digest of what was applied, or of the spec where nothing could be built."),
  firstReconciled: time("Time of the first of them."),
  lastReconciled: time("Time of the last of them."),
  lastReconciledDuration: text("How long the last of them took."),
  lastReconciledStatus: text("Reason of the Ready condition at its end."),
  totalReconciliations: count("How many there were."),
  metadata: optional(textMap("The version of Flux, under flux.", {}, 16)),
});

const plan = openFields("What the next upgrade will do, or the current one does.", {
  from: optional(text("Version that runs; absent for an installation.")),
  to: text("Version to come."),
  revision: text("Revision to come."),
  startedAt: optional(time("When its first write was made; absent while it waits.")),
  images: optional(list("Images to come.", image)),
  added: optional(count("How many objects will be created.")),
  changed: optional(count("How many objects will change.")),
  removed: optional(count("How many objects will be deleted.")),
  droppedVersions: optional(
    list("Stored API versions that the new CRDs do not have; objects are rewritten first.", text("kind.group/version")),
  ),
  objectsLosingFields: optional(
    list("Objects with fields that the new schema does not know.", text("Kind/namespace/name and the fields.")),
  ),
});

const patchReport = openFields("How far a patch reached.", {
  index: count("Index in spec.kustomize.patches."),
  matched: count("How many objects it matched."),
});

/** All the RFC's fields and all of the Go operator's. */
export const fluxInstanceStatusSchema = openFields("What Flux looks like now.", {
  conditions: optional(list("State, aspect by aspect.", condition, { listKeys: ["type"] })),
  observedGeneration: optional({
    ...count("Generation of the spec that was last acted on; -1 until the operator has seen the instance."),
    minimum: -1,
  }),
  latestVersion: optional(text("Newest version of Flux that the distribution has.")),
  lastAppliedVersion: optional(text("Version of Flux that was last applied and healthy.")),
  lastAppliedImages: optional(list("Images that were last applied.", image)),
  lastAppliedRevision: optional(text("Revision that was last applied: version@digest.")),
  lastAttemptedRevision: optional(text("Revision that was last tried: version@digest.")),
  lastArtifactRevision: optional(text("Digest of the artifact from which the running Flux was built.")),
  lastSeenArtifact: optional(
    text("The artifact with the digest that its registry had last, whatever keeps it from being applied."),
  ),
  lastSeenImages: optional(
    list("Images with the digests that their registry had last, where it is asked for them.", image),
  ),
  lastGoodDigest: optional(
    text("Digest of what ConfigMap flux-operator-last-good records; a record with another digest is not used."),
  ),
  lastHandledReconcileAt: optional(text("Value of the annotation requestedAt that was last acted on.")),
  lastHandledForceAt: optional(text("Value of the annotation forceAt that was last acted on.")),
  components: optional(list("Controllers as applied, after patches.", component)),
  vulnerabilities: optional(vulnerabilities),
  inventory: optional(inventory),
  history: optional(list("Last runs, the newest first.", history)),
  plan: optional(plan),
  warnings: optional(
    list("What the look before the last installation or upgrade warned of.", text("A fact, and what to do about it.")),
  ),
  patches: optional(list("How far each of the user's patches reached.", patchReport)),
});

/** `status` as the schema describes it. */
export type FluxInstanceStatus = ValueOf<typeof fluxInstanceStatusSchema>;
