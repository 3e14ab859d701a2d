import { sha256Hex } from "../../src/std/digest.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import type { Release, ReleasedImage } from "./release.ts";

/** Who builds, and from where; both are URIs. */
export type Builder = { readonly id: string; readonly source: string };

/** Of a release that somebody makes at home. */
export const localBuilder: Builder = {
  id: "urn:flux-operator:local-build",
  source: "urn:flux-operator:local-checkout",
};

/** What a release is made of: files of the checkout that pin all that comes from outside, by path. */
export type Materials = ReadonlyMap<string, Uint8Array>;

/** What is told of a release: what it consists of, what it was made of, and by whom. */
export type Account = {
  readonly release: Release;
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly images: readonly ReleasedImage[];
  readonly materials: Materials;
  readonly builder: Builder;
};

/**
 * An in-toto statement with SLSA's predicate, not signed. Without times, so that it is the same for the same commit and builder.
 * Source: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md, https://slsa.dev/spec/v1.0/provenance
 */
export function provenanceOf({ release, files, images, materials, builder }: Account): JsonObject {
  const lockFiles = [...materials].map(([name, content]) => ({ name, digest: { sha256: sha256Hex(content) } }));
  return {
    _type: "https://in-toto.io/Statement/v1",
    subject: [
      ...[...files].map(([name, content]) => ({ name, digest: { sha256: sha256Hex(content) } })),
      ...images.map(({ reference, digest }) => ({
        name: reference,
        digest: { sha256: digest.replace("sha256:", "") },
      })),
    ],
    predicateType: "https://slsa.dev/provenance/v1",
    predicate: {
      buildDefinition: {
        buildType: "urn:flux-operator:release:v1",
        externalParameters: { version: release.version },
        resolvedDependencies: [
          { name: "source", uri: builder.source, digest: { gitCommit: release.commit } },
          ...lockFiles,
        ],
      },
      runDetails: { builder: { id: builder.id } },
    },
  };
}
