import type { Component, SyncSpec } from "../../api/spec.ts";
import type { JsonObject } from "../../kube/object.ts";
import { parseDurationMs } from "../../std/duration.ts";
import { UnreachableError } from "../../std/errors.ts";
import type { Draft, RenderContext } from "../draft.ts";
import { buildFailed } from "../errors.ts";
import { isAtLeast } from "../version.ts";

const kustomizeGroup = "kustomize.toolkit.fluxcd.io";
const sourceGroup = "source.toolkit.fluxcd.io";

/** A kind of custom resource, and the component that serves it. */
export type SyncKind = {
  readonly component: Component;
  readonly group: string;
  readonly version: string;
  readonly kind: string;
};

/** The kinds that `sync` writes, and the components that must serve them. */
export function syncKinds({ kind }: SyncSpec, release: string): readonly SyncKind[] {
  return [
    { component: "source-controller", group: sourceGroup, version: sourceVersion(kind, release), kind },
    { component: "kustomize-controller", group: kustomizeGroup, version: "v1", kind: "Kustomization" },
  ];
}

/** Adds the source and the Kustomization of `spec.sync`. */
export function sync(drafts: readonly Draft[], context: RenderContext): readonly Draft[] {
  const { sync: wanted } = context.spec;
  if (wanted === undefined) return drafts;
  checkProvider(wanted, context.release.version);
  checkVerify(wanted, context.release.version);
  const metadata = { name: wanted.name ?? context.instance.namespace };
  const source = {
    apiVersion: `${sourceGroup}/${sourceVersion(wanted.kind, context.release.version)}`,
    kind: wanted.kind,
    metadata,
    spec: { ...sourceSpec(wanted), ...commonSourceSpec(wanted) },
  };
  const kustomization = {
    apiVersion: `${kustomizeGroup}/v1`,
    kind: "Kustomization",
    metadata,
    spec: {
      interval: "10m0s",
      path: wanted.path,
      prune: true,
      sourceRef: { kind: wanted.kind, name: metadata.name },
    },
  };
  return [...drafts, { object: source }, { object: kustomization }];
}

function checkProvider({ kind, provider }: SyncSpec, version: string): void {
  if (kind !== "GitRepository" || provider !== "aws" || isAtLeast(version, [2, 9])) return;
  throw buildFailed({
    field: "spec.sync.provider",
    value: "aws",
    problem: `with a GitRepository needs Flux 2.9 or later, and ${version} is selected`,
    remedy: "raise spec.distribution.version, or use generic with a pull secret",
  });
}

function checkVerify({ verify }: SyncSpec, version: string): void {
  const late = [
    { field: "spec.sync.verify.provider", value: "notation", used: verify?.provider === "notation", minor: 3 },
    { field: "spec.sync.verify.trustedRootSecretRef", used: verify?.trustedRootSecretRef !== undefined, minor: 9 },
  ].find(({ used, minor }) => used && !isAtLeast(version, [2, minor]));
  if (late === undefined) return;
  throw buildFailed({
    field: late.field,
    ...(late.value === undefined ? {} : { value: late.value }),
    problem: `needs Flux 2.${late.minor} or later, and ${version} is selected`,
    remedy: "raise spec.distribution.version, or verify otherwise",
  });
}

function sourceVersion(kind: SyncSpec["kind"], version: string): string {
  return kind === "GitRepository" || isAtLeast(version, [2, 6]) ? "v1" : "v1beta2";
}

function sourceSpec({ kind, url, ref, verify }: SyncSpec): JsonObject {
  switch (kind) {
    case "GitRepository": {
      const verified = verify === undefined ? {} : { verify: { mode: "HEAD", ...verify } };
      return { url, ref: typeof ref === "string" ? { name: ref } : ref, ...verified };
    }
    case "OCIRepository": {
      const verified = verify === undefined ? {} : { verify: { provider: "cosign", ...verify } };
      return { url, ref: typeof ref === "string" ? { tag: ref } : ref, ...verified };
    }
    case "Bucket":
      if (typeof ref !== "string") throw bucketWithMap();
      return { endpoint: url, bucketName: ref };
    default:
      throw new UnreachableError(kind);
  }
}

function bucketWithMap(): Error {
  const problem = "must be text for a Bucket";
  return buildFailed({ field: "spec.sync.ref", problem, remedy: "write the name of the bucket" });
}

function commonSourceSpec({ interval, pullSecret, provider }: SyncSpec): JsonObject {
  return {
    interval: formatGoDuration(interval),
    ...(provider === undefined ? {} : { provider }),
    ...(pullSecret === undefined ? {} : { secretRef: { name: pullSecret } }),
  };
}

/** "1m" as "1m0s", the form in which Go, and so the API server's clients, write durations. Text that is no duration stays as it is. */
export function formatGoDuration(text: string): string {
  const totalMs = parseDurationMs(text);
  if (totalMs === undefined) return text;
  if (totalMs < 1000) return totalMs === 0 ? "0s" : `${totalMs}ms`;
  const hours = Math.floor(totalMs / 3_600_000);
  const minutes = Math.floor(totalMs / 60_000) % 60;
  const seconds = `${(totalMs % 60_000) / 1000}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}
