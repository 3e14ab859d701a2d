import assert from "node:assert/strict";
import { test } from "node:test";
import { specOf } from "../../../../test/support/small-release.ts";
import type { CanonicalSpec } from "../../../api/spec.ts";
import type { JsonObject, KubeObject } from "../../../kube/object.ts";
import { RegistryError } from "../../../oci/registry-error.ts";
import type { RegistryAccess } from "../../../oci/registry.ts";
import { SignatureError } from "../../../oci/signatures/signature-error.ts";
import type { Subject, TrustInput } from "../../../oci/signatures/trust-input.ts";
import { ReasonedError } from "../../../std/errors.ts";
import type { Converging } from "../decision.ts";
import { worldOf } from "../world.ts";
import { verifyBeforeApply, verifyImages, withImageProblem } from "./image-signatures.ts";

const never = new AbortController().signal;
const [one, two] = [`sha256:${"1".repeat(64)}`, `sha256:${"2".repeat(64)}`];
const verify = { provider: "cosign", matchOIDCIdentity: [{ issuer: "i", subject: "s" }], images: true } as const;

function deployment(name: string, image: string, pod: JsonObject = {}): KubeObject {
  const spec = { template: { spec: { containers: [{ name: "manager", image }], ...pod } } };
  return { apiVersion: "apps/v1", kind: "Deployment", metadata: { name }, spec };
}

type Signed = { readonly [digest: string]: ReasonedError | undefined };

/** What was asked for, and the message of the refusal. */
async function verified(
  images: readonly string[],
  {
    signed = {},
    distribution = {},
    pod = {},
  }: { signed?: Signed; distribution?: Partial<CanonicalSpec["distribution"]>; pod?: JsonObject } = {},
): Promise<{ readonly asked: readonly string[]; readonly message?: string }> {
  const asked: string[] = [];
  const deps = {
    client: { getOrUndefined: async () => undefined },
    signatures: {
      check: async ({ reference, digest }: { reference: string; digest: string }) => {
        asked.push(reference);
        if (signed[digest] !== undefined) throw signed[digest];
      },
    },
  };
  const wanted = {
    distribution: {
      ...specOf({ distribution }).distribution,
      ...(distribution.verify === undefined ? { verify } : {}),
    },
    objects: images.map((image, at) => deployment(`controller-${at}`, image, pod)),
    namespace: "flux-system",
    timeoutMs: 1_000,
  };
  try {
    await verifyImages(wanted, deps, never);
    return { asked };
  } catch (error) {
    assert.ok(error instanceof ReasonedError);
    assert.equal(error.reason, "VerificationFailed");
    return { asked, message: error.message };
  }
}

const unsigned = new SignatureError("Cannot trust it: it has no signature");
const images = [`ghcr.io/fluxcd/a:v1@${one}`, `fluxcd/b:v1@${two}`];
const references = [`oci://ghcr.io/fluxcd/a:v1@${one}`, `oci://docker.io/fluxcd/b:v1@${two}`];

for (const { name, given = images, options = {}, want } of [
  { name: "takes images that are signed", want: { asked: references } },
  { name: "asks for an image once", given: [...images, ...images], want: { asked: references } },
  {
    name: "asks for none where only the artifact is to be verified",
    options: { distribution: { verify: { ...verify, images: false } } },
    want: { asked: [] },
  },
  {
    name: "refuses an image without a digest, and asks for none",
    given: [...images, "ghcr.io/fluxcd/c:v1"],
    want: {
      asked: [],
      message:
        "Cannot trust the image ghcr.io/fluxcd/c:v1: it has no digest, which is what a signature is of; choose a registry and variant whose images are pinned, write it with its digest where a patch sets it, or remove spec.distribution.verify.images",
    },
  },
  {
    name: "asks for the sidecars, init containers and image volumes of a patch",
    given: images.slice(0, 1),
    options: {
      pod: {
        containers: [{ name: "renamed", image: images[0] ?? "" }, { image: `x.io/sidecar@${two}` }],
        initContainers: [{ image: `x.io/init@${two}` }],
        volumes: [{ image: { reference: `x.io/volume@${two}` } }, { emptyDir: {} }],
      },
    },
    want: { asked: [references[0] ?? "", ...["sidecar", "init", "volume"].map((name) => `oci://x.io/${name}@${two}`)] },
  },
  {
    name: "refuses the sidecar of a patch that has no digest",
    given: images.slice(0, 1),
    options: { pod: { initContainers: [{ image: "busybox" }] } },
    want: {
      asked: [],
      message:
        "Cannot trust the image busybox: it has no digest, which is what a signature is of; choose a registry and variant whose images are pinned, write it with its digest where a patch sets it, or remove spec.distribution.verify.images",
    },
  },
  {
    name: "refuses an image without a good signature",
    options: { signed: { [two]: unsigned } },
    want: { asked: references, message: "Cannot trust it: it has no signature" },
  },
  {
    name: "tells how many more have none",
    options: { signed: { [one]: unsigned, [two]: unsigned } },
    want: { asked: references, message: "Cannot trust it: it has no signature; likewise 1 more image" },
  },
  {
    name: "asks a registry that is away once",
    options: {
      signed: { [one]: new RegistryError({ kind: "unreachable", message: "Cannot verify it: nobody listens" }) },
    },
    want: {
      asked: references.slice(0, 1),
      message: "Cannot verify it: nobody listens; see spec.distribution.registry and imagePullSecret",
    },
  },
] satisfies readonly {
  name: string;
  given?: readonly string[];
  options?: Parameters<typeof verified>[1];
  want: Awaited<ReturnType<typeof verified>>;
}[]) {
  test(`verifyImages() ${name}`, async () => assert.deepEqual(await verified(given, options), want));
}

test("verifyImages() shows the certificates to the registry of the spec, and to no other one", async () => {
  const shown: (readonly [string, RegistryAccess])[] = [];
  const secret: KubeObject = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "tls" },
    data: { "ca.crt": Buffer.from("CA").toString("base64") },
  };
  const deps = {
    client: { getOrUndefined: async () => secret },
    signatures: {
      check: async ({ reference }: Subject, _: TrustInput, access: RegistryAccess) =>
        void shown.push([reference, access]),
    },
  };
  const distribution = specOf({ distribution: { verify, artifactCertSecretRef: { name: "tls" } } }).distribution;
  const objects = images.map((image, at) => deployment(`controller-${at}`, image));
  await verifyImages({ distribution, objects, namespace: "flux-system", timeoutMs: 1_000 }, deps, never);
  assert.deepEqual(shown, [
    [references[0], { insecure: false, ca: "CA", timeoutMs: 1_000 }],
    [references[1], { timeoutMs: 1_000 }],
  ]);
});

/** A check that refuses everything, and counts how often it was asked. */
function refusal() {
  const asked: string[] = [];
  const check = async ({ reference }: { reference: string }): Promise<void> => {
    asked.push(reference);
    throw unsigned;
  };
  return { asked, deps: { signatures: { check }, client: { getOrUndefined: async () => undefined } } };
}

const instance = {
  apiVersion: "fluxcd.controlplane.io/v1",
  kind: "FluxInstance",
  metadata: { name: "flux" },
  spec: {},
};
const world = worldOf({ ...instance, metadata: { name: "flux", namespace: "flux-system" } }, new Map(), "flux-system");

function decisionOf(kind: Converging["kind"], problem?: ReasonedError): Converging {
  const spec = specOf({ distribution: { verify } });
  const rendering = { objects: [deployment("controller", images[0] ?? "")] };
  return { kind, spec, rendering, ...(problem === undefined ? {} : { problem }) } as unknown as Converging;
}

for (const { kind, refuses } of [
  { kind: "install", refuses: true },
  { kind: "upgrade", refuses: true },
  { kind: "settle", refuses: false },
  { kind: "rollback", refuses: false },
] as const) {
  test(`verifyBeforeApply() ${refuses ? "refuses" : "lets through"} an unsigned image of decision ${kind}`, async () => {
    const { deps } = refusal();
    const result = verifyBeforeApply(decisionOf(kind), world, deps, never);
    if (refuses) await assert.rejects(result, unsigned);
    else await result;
  });
}

test("withImageProblem() tells of an unsigned image that runs", async () => {
  const { deps } = refusal();
  const told = await withImageProblem(decisionOf("settle"), world, deps, never);
  assert.equal(told.problem?.message, "Cannot trust it: it has no signature");
});

for (const decision of [decisionOf("settle", unsigned), decisionOf("install"), decisionOf("rollback")]) {
  test(`withImageProblem() asks for nothing with ${decision.kind} and ${decision.problem?.reason ?? "no problem"}`, async () => {
    const { asked, deps } = refusal();
    assert.equal(await withImageProblem(decision, world, deps, never), decision);
    assert.deepEqual(asked, []);
  });
}
