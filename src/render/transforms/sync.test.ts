import assert from "node:assert/strict";
import { test } from "node:test";
import { contextOf, releaseOf, specOf } from "../../../test/support/small-release.ts";
import type { SyncSpec } from "../../api/spec.ts";
import { formatGoDuration, sync } from "./sync.ts";

const git: SyncSpec = { kind: "GitRepository", url: "https://x", ref: "refs/heads/main", path: "p", interval: "1m" };

function rendered(wanted: SyncSpec, version: string) {
  return sync([], contextOf(specOf({ sync: wanted }), releaseOf(version))).map(({ object }) => object);
}

for (const { name, wanted, version, want } of [
  {
    name: "a Git source named after the namespace",
    wanted: git,
    version: "2.2.3",
    want: {
      apiVersion: "source.toolkit.fluxcd.io/v1",
      kind: "GitRepository",
      metadata: { name: "flux-system" },
      spec: { url: "https://x", ref: { name: "refs/heads/main" }, interval: "1m0s" },
    },
  },
  {
    name: "an OCI source in the version that the release stores",
    wanted: { ...git, kind: "OCIRepository" as const, name: "fleet", provider: "aws" as const },
    version: "2.5.1",
    want: {
      apiVersion: "source.toolkit.fluxcd.io/v1beta2",
      kind: "OCIRepository",
      metadata: { name: "fleet" },
      spec: { url: "https://x", ref: { tag: "refs/heads/main" }, interval: "1m0s", provider: "aws" },
    },
  },
  {
    name: "a Git source by branch and commit, of signed commits",
    wanted: { ...git, ref: { branch: "main", commit: "0123" }, verify: { secretRef: { name: "keys" } } },
    version: "2.9.4",
    want: {
      apiVersion: "source.toolkit.fluxcd.io/v1",
      kind: "GitRepository",
      metadata: { name: "flux-system" },
      spec: {
        url: "https://x",
        ref: { branch: "main", commit: "0123" },
        verify: { mode: "HEAD", secretRef: { name: "keys" } },
        interval: "1m0s",
      },
    },
  },
  {
    name: "an OCI source by semver, signed without keys",
    wanted: {
      ...git,
      kind: "OCIRepository" as const,
      ref: { semver: "1.x" },
      verify: { matchOIDCIdentity: [{ issuer: "i", subject: "s" }] },
    },
    version: "2.9.4",
    want: {
      apiVersion: "source.toolkit.fluxcd.io/v1",
      kind: "OCIRepository",
      metadata: { name: "flux-system" },
      spec: {
        url: "https://x",
        ref: { semver: "1.x" },
        verify: { provider: "cosign", matchOIDCIdentity: [{ issuer: "i", subject: "s" }] },
        interval: "1m0s",
      },
    },
  },
  {
    name: "a bucket with its secret",
    wanted: { ...git, kind: "Bucket" as const, pullSecret: "s" },
    version: "2.6.0",
    want: {
      apiVersion: "source.toolkit.fluxcd.io/v1",
      kind: "Bucket",
      metadata: { name: "flux-system" },
      spec: { endpoint: "https://x", bucketName: "refs/heads/main", interval: "1m0s", secretRef: { name: "s" } },
    },
  },
]) {
  test(`sync() makes ${name}`, () => assert.deepEqual(rendered(wanted, version)[0], want));
}

test("sync() makes the Kustomization of the source", () => {
  assert.deepEqual(rendered(git, "2.9.4")[1], {
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    kind: "Kustomization",
    metadata: { name: "flux-system" },
    spec: {
      interval: "10m0s",
      path: "p",
      prune: true,
      sourceRef: { kind: "GitRepository", name: "flux-system" },
    },
  });
});

test("sync() refuses aws for Git before Flux 2.9", () => {
  assert.throws(() => rendered({ ...git, provider: "aws" }, "2.8.8"), {
    reason: "BuildFailed",
    message:
      "Cannot build the instance: spec.sync.provider aws with a GitRepository needs Flux 2.9 or later, and 2.8.8 is " +
      "selected; raise spec.distribution.version, or use generic with a pull secret",
  });
  assert.equal(rendered({ ...git, provider: "aws" }, "2.9.0").length, 2);
});

for (const { text, want } of [
  { text: "1m", want: "1m0s" },
  { text: "90s", want: "1m30s" },
  { text: "1.5h", want: "1h30m0s" },
  { text: "10s", want: "10s" },
  { text: "1500ms", want: "1.5s" },
  { text: "250ms", want: "250ms" },
  { text: "0s", want: "0s" },
]) {
  test(`formatGoDuration() writes ${text} as ${want}`, () => assert.equal(formatGoDuration(text), want));
}

for (const { verify, version, message } of [
  {
    verify: { provider: "notation", secretRef: { name: "keys" } },
    version: "2.2.3",
    message:
      "Cannot build the instance: spec.sync.verify.provider notation needs Flux 2.3 or later, and 2.2.3 is selected; raise spec.distribution.version, or verify otherwise",
  },
  {
    verify: { secretRef: { name: "keys" }, trustedRootSecretRef: { name: "root" } },
    version: "2.8.8",
    message:
      "Cannot build the instance: spec.sync.verify.trustedRootSecretRef needs Flux 2.9 or later, and 2.8.8 is selected; raise spec.distribution.version, or verify otherwise",
  },
] as const)
  test(`sync() refuses a verification that Flux ${version} does not know`, () =>
    assert.throws(() => rendered({ ...git, kind: "OCIRepository", verify }, version), { message }));
