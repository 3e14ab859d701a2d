import { choice, fields, list, optional, text, textOr, type ValueOf } from "./build.ts";
import { oidcIdentity, secretName, secretRef } from "./distribution.ts";
import { dnsSubdomainOrEmpty, duration } from "./patterns.ts";

const syncRef = fields("A reference in the names of Flux's own sources.", {
  branch: optional(text("Branch of a Git repository.")),
  tag: optional(text("Tag of a Git repository or of an OCI artifact.")),
  semver: optional(text("Range of tags, such as >=1.0.0: the newest in it is taken.")),
  name: optional(text("Full name of a Git reference, such as refs/heads/main.")),
  commit: optional(text("SHA of a Git commit.")),
  digest: optional(text("Digest of an OCI artifact.")),
});

/** `spec.sync.ref` as a map. Which kind takes which is in `sync-ref.ts`. */
export type SyncRef = ValueOf<typeof syncRef>;

const verify = fields("Signatures that must stand on what the source serves, as spec.verify of Flux's own source.", {
  provider: optional(
    choice("The tool that signed an OCI artifact. notation from Flux 2.3.", ["cosign", "notation"], {
      absent: "cosign",
    }),
  ),
  mode: optional(
    choice("What of a Git repository is verified.", ["head", "HEAD", "Tag", "TagAndHEAD"], { absent: "HEAD" }),
  ),
  secretRef: optional(secretRef("Secret with the public keys of the signers.")),
  matchOIDCIdentity: optional(
    list("Signers who are trusted when there is no public key (keyless signatures of cosign).", oidcIdentity, {
      minItems: 1,
      maxItems: 16,
    }),
  ),
  trustedRootSecretRef: optional(
    secretRef("Secret with the trusted root of a Sigstore instance of your own. From Flux 2.9."),
  ),
});

/** The schema of `spec.sync`. */
export const syncSchema = fields("A source and a Kustomization that Flux starts with.", {
  name: optional(
    text("Name of both objects; cannot be changed.", {
      maxLength: 63,
      pattern: dnsSubdomainOrEmpty,
      absent: "the namespace's name",
    }),
  ),
  kind: choice("Kind of the source.", ["OCIRepository", "GitRepository", "Bucket"]),
  url: text("Where the source is: URL of the repository, or endpoint of the bucket.", {
    minLength: 1,
    maxLength: 2048,
  }),
  ref: textOr(
    "Git reference (refs/heads/main), tag of the OCI artifact, or name of the bucket; or a map: for a GitRepository branch, tag, semver, name or commit, for an OCIRepository tag, semver or digest.",
    "string or object",
    syncRef,
  ),
  path: text("Folder in the source with what the cluster shall run.", { maxLength: 1024 }),
  interval: optional(text("How often the source is checked.", { maxLength: 64, pattern: duration, default: "1m" })),
  pullSecret: optional(secretName("Secret in the instance's namespace with the source's credentials.")),
  provider: optional(
    choice(
      "Whose credentials are used. gcp not with GitRepository, github only with it; aws with it from Flux 2.9.",
      ["generic", "aws", "azure", "gcp", "github"],
      { absent: "generic" },
    ),
  ),
  verify: optional(verify),
});
