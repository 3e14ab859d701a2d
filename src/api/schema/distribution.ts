import { choice, fields, flag, list, optional, text } from "./build.ts";
import { dnsSubdomain, dnsSubdomainOrEmpty } from "./patterns.ts";

/** A reference to a Secret by its name. */
export const secretRef = (description: string) =>
  fields(description, { name: text("Name of the Secret.", { minLength: 1, maxLength: 253, pattern: dnsSubdomain }) });

/** The name of a Secret, or "" for none. */
export const secretName = (description: string) => text(description, { maxLength: 253, pattern: dnsSubdomainOrEmpty });

/** A signer of keyless signatures. */
export const oidcIdentity = fields("One signer.", {
  issuer: text(
    "Regular expression (RE2) that the issuer of the signer's certificate must match, somewhere unless it is anchored by ^ and $.",
    {
      minLength: 1,
      maxLength: 1024,
    },
  ),
  subject: text(
    "Regular expression (RE2) that the subject of the signer's certificate must match, somewhere unless it is anchored by ^ and $.",
    {
      minLength: 1,
      maxLength: 1024,
    },
  ),
});

const verify = fields("Signatures that must stand on the artifact before it is used.", {
  provider: choice("The tool that signed.", ["cosign"]),
  secretRef: optional(secretRef("Secret with the public keys of the signers, in entries that end in .pub.")),
  matchOIDCIdentity: optional(
    list(
      "Signers who are trusted when there is no public key (keyless signatures); one match is enough.",
      oidcIdentity,
      {
        minItems: 1,
        maxItems: 16,
      },
    ),
  ),
  trustedRootSecretRef: optional(
    secretRef(
      "Secret with the trusted root (trusted_root.json) of a Sigstore instance of your own. Beside secretRef, a signature must also have a log entry or a timestamp of it.",
    ),
  ),
  images: optional(
    flag(
      "Verify the signatures of the controllers' images, too, and of those that patches add to their pods, before they are applied.",
      { absent: "false" },
    ),
  ),
});

/** The schema of `spec.distribution`. */
export const distributionSchema = fields("Which Flux to install and where its images and manifests come from.", {
  version: text("Version of Flux as a semver range: 2.9.4, 2.9.x, >=2.6 <2.8. The newest match is installed.", {
    minLength: 1,
    maxLength: 256,
  }),
  registry: text("Where the images are: registry host and path, such as ghcr.io/fluxcd.", {
    minLength: 1,
    maxLength: 1024,
  }),
  variant: optional(
    choice(
      "Flavour of the images. Needed for mirrors, whose name does not tell.",
      ["upstream-alpine", "enterprise-alpine", "enterprise-distroless", "enterprise-distroless-fips"],
      { absent: "what the registry is known to hold" },
    ),
  ),
  imagePullSecret: optional(secretName("Secret in the instance's namespace with which the images are pulled.")),
  pullSecret: optional(secretName("Other name of imagePullSecret, from v1alpha1.")),
  source: optional(
    choice("Embedded: manifests and digests come from the operator itself, nothing is downloaded.", ["Embedded"]),
  ),
  artifact: optional(
    text(
      "OCI artifact with Flux's manifests and image digests, such as oci://host/path:tag, or the one in a bundle that is mounted into the operator's pod: bundle://flux.tar.",
      {
        maxLength: 2048,
        pattern: "^(oci|bundle)://.*$",
        absent: "the releases embedded in the operator",
      },
    ),
  ),
  artifactPullSecret: optional(secretName("Secret of type dockerconfigjson with which the artifact is pulled.")),
  artifactCertSecretRef: optional(
    secretRef(
      "Secret with the CA (ca.crt) and a client certificate (tls.crt, tls.key) for the artifact's host; without an artifact, for the registry of digests: Registry.",
    ),
  ),
  artifactInsecure: optional(
    flag(
      "Reach the artifact's host over plain HTTP; without an artifact, the registry of digests: Registry. Kubelets have settings of their own.",
      { absent: "false" },
    ),
  ),
  digests: optional(
    choice(
      "Where image digests come from. Catalog: from the release's data. Registry: from the registry of the images, which is polled, so that a rebuilt image under the same tag is rolled out.",
      ["Catalog", "Registry"],
      { absent: "Catalog; of a mirror without variant, the registry's if it can be reached" },
    ),
  ),
  requireDigests: optional(
    flag(
      "Refuse images that cannot be pinned to a digest, instead of warning of them, and images without one in patches.",
      { absent: "false" },
    ),
  ),
  verify: optional(verify),
});
