import assert from "node:assert/strict";
import { test } from "node:test";
import { specOf } from "../../../../test/support/small-release.ts";
import type { CanonicalSpec } from "../../../api/spec.ts";
import type { JsonObject, KubeObject } from "../../../kube/object.ts";
import type { RegistryAccess } from "../../../oci/registry.ts";
import { ReasonedError } from "../../../std/errors.ts";
import { readArtifactAccess, readImageAccess } from "./artifact-access.ts";

const never = new AbortController().signal;
const dockerConfig = '{"auths":{"example.com":{"auth":"dTpw"}}}';
const dockerType = "kubernetes.io/dockerconfigjson";

function secret(type: string, data: { readonly [entry: string]: string }): JsonObject {
  const encoded = Object.entries(data).map(([entry, text]) => [entry, Buffer.from(text).toString("base64")]);
  return { type, data: Object.fromEntries(encoded) };
}

async function accessWith(
  secrets: { readonly [name: string]: JsonObject },
  distribution: Partial<CanonicalSpec["distribution"]>,
  read = readArtifactAccess,
): Promise<RegistryAccess> {
  const getOrUndefined = async (_: unknown, key: { readonly name: string }): Promise<KubeObject | undefined> => {
    const found = secrets[key.name];
    return found && { apiVersion: "v1", kind: "Secret", metadata: { name: key.name }, ...found };
  };
  const spec = specOf({ distribution });
  return await read(spec.distribution, "flux-system", { client: { getOrUndefined } }, never);
}

for (const { name, secrets = {}, distribution, want } of [
  { name: "is anonymous without Secrets", distribution: {}, want: { insecure: false } },
  { name: "is plain HTTP where that is allowed", distribution: { artifactInsecure: true }, want: { insecure: true } },
  {
    name: "takes the artifact's pull secret",
    secrets: {
      pull: secret(dockerType, { ".dockerconfigjson": dockerConfig }),
      other: secret(dockerType, { ".dockerconfigjson": "{}" }),
    },
    distribution: { artifactPullSecret: "pull", imagePullSecret: "other" },
    want: { insecure: false, dockerConfig },
  },
  {
    name: "shows the images' pull secret where the artifact has none of its own",
    secrets: { other: secret(dockerType, { ".dockerconfigjson": dockerConfig }) },
    distribution: { imagePullSecret: "other" },
    want: { insecure: false, dockerConfig },
  },
  {
    name: "does without the images' pull secret where there is none",
    distribution: { imagePullSecret: "other" },
    want: { insecure: false },
  },
  {
    name: "takes CA and client certificate",
    secrets: { tls: secret("Opaque", { "ca.crt": "CA", "tls.crt": "CERT", "tls.key": "KEY" }) },
    distribution: { artifactCertSecretRef: { name: "tls" } },
    want: { insecure: false, ca: "CA", cert: "CERT", key: "KEY" },
  },
] satisfies readonly {
  name: string;
  secrets?: { readonly [name: string]: JsonObject };
  distribution: Partial<CanonicalSpec["distribution"]>;
  want: RegistryAccess;
}[]) {
  test(`readArtifactAccess() ${name}`, async () => assert.deepEqual(await accessWith(secrets, distribution), want));
}

for (const { name, secrets = {}, distribution, want } of [
  {
    name: "a pull secret that is not there",
    distribution: { artifactPullSecret: "pull" },
    want: "there is no Secret flux-system/pull; create it (kubectl create secret docker-registry pull -n flux-system), or change spec.distribution.artifactPullSecret",
  },
  {
    name: "a pull secret of another type",
    secrets: { pull: secret("Opaque", { password: "p" }) },
    distribution: { artifactPullSecret: "pull" },
    want: "Secret flux-system/pull is of type Opaque, and a pull secret is of type kubernetes.io/dockerconfigjson; create it with kubectl create secret docker-registry",
  },
  {
    name: "a pull secret without its entry",
    secrets: { pull: secret(dockerType, {}) },
    distribution: { artifactPullSecret: "pull" },
    want: "Secret flux-system/pull has no .dockerconfigjson; add it",
  },
  {
    name: "certificates that are not there",
    distribution: { artifactCertSecretRef: { name: "tls" } },
    want: "there is no Secret flux-system/tls; create it (kubectl create secret generic tls -n flux-system --from-file=ca.crt), or change spec.distribution.artifactCertSecretRef",
  },
  {
    name: "certificates without any entry that is read",
    secrets: { tls: secret("Opaque", { "ca.pem": "CA" }) },
    distribution: { artifactCertSecretRef: { name: "tls" } },
    want: "Secret flux-system/tls has no ca.crt, and no tls.crt and tls.key; add it",
  },
  {
    name: "a client certificate without its key",
    secrets: { tls: secret("Opaque", { "ca.crt": "CA", "tls.crt": "CERT" }) },
    distribution: { artifactCertSecretRef: { name: "tls" } },
    want: "Secret flux-system/tls has no tls.key, which belongs to its tls.crt; add it",
  },
] satisfies readonly {
  name: string;
  secrets?: { readonly [name: string]: JsonObject };
  distribution: Partial<CanonicalSpec["distribution"]>;
  want: string;
}[]) {
  test(`readArtifactAccess() refuses ${name}`, async () =>
    await assert.rejects(accessWith(secrets, distribution), (error) => {
      assert.ok(error instanceof ReasonedError);
      assert.deepEqual(
        { reason: error.reason, retry: error.retry, message: error.message },
        { reason: "ArtifactFailed", retry: "backoff", message: `Cannot reach the registry: ${want}` },
      );
      return true;
    }));
}

const tls = { tls: secret("Opaque", { "ca.crt": "CA" }) };
const pull = {
  images: secret(dockerType, { ".dockerconfigjson": dockerConfig }),
  artifact: secret(dockerType, { ".dockerconfigjson": "{}" }),
};
const ca = { artifactCertSecretRef: { name: "tls" } };

for (const { name, secrets = tls, distribution, want } of [
  { name: "is anonymous without Secrets", distribution: {}, want: { insecure: false } },
  {
    name: "shows the images' pull secret, and never the artifact's",
    secrets: pull,
    distribution: { imagePullSecret: "images", artifactPullSecret: "artifact" },
    want: { insecure: false, dockerConfig },
  },
  {
    name: "shows nothing where only the artifact has a pull secret",
    secrets: pull,
    distribution: { artifactPullSecret: "artifact" },
    want: { insecure: false },
  },
  {
    name: "trusts the artifact's CA at the artifact's host",
    distribution: { ...ca, registry: "mirror.example/flux", artifact: "oci://mirror.example/manifests:v1" },
    want: { insecure: false, ca: "CA" },
  },
  {
    name: "does not trust the artifact's CA at another host",
    distribution: { ...ca, registry: "mirror.example/flux", artifact: "oci://other.example/manifests:v1" },
    want: { insecure: false },
  },
  {
    name: "does not trust the artifact's CA at another port",
    distribution: { ...ca, registry: "mirror.example/flux", artifact: "oci://mirror.example:5000/manifests:v1" },
    want: { insecure: false },
  },
  {
    name: "is plain HTTP only at the host where the artifact may be",
    distribution: { artifactInsecure: true, registry: "fluxcd", artifact: "oci://mirror.example/manifests:v1" },
    want: { insecure: false },
  },
  {
    name: "knows Docker Hub by its names",
    distribution: { artifactInsecure: true, registry: "fluxcd", artifact: "oci://index.docker.io/org/manifests:v1" },
    want: { insecure: true },
  },
  {
    name: "trusts the CA without an artifact where the spec asks for the registry's digests",
    distribution: { ...ca, digests: "Registry" },
    want: { insecure: false, ca: "CA" },
  },
  {
    name: "trusts the CA without an artifact where the spec asks for the signatures of the images",
    distribution: { ...ca, verify: { provider: "cosign", secretRef: { name: "keys" }, images: true } },
    want: { insecure: false, ca: "CA" },
  },
  {
    name: "uses neither CA nor plain HTTP where the registry is asked by itself",
    distribution: { ...ca, artifactInsecure: true, digests: "RegistryIfReachable" },
    want: { insecure: false },
  },
] satisfies readonly {
  name: string;
  secrets?: { [name: string]: JsonObject };
  distribution: Partial<CanonicalSpec["distribution"]>;
  want: RegistryAccess;
}[]) {
  test(`readImageAccess() ${name}`, async () =>
    assert.deepEqual(await accessWith(secrets, distribution, readImageAccess), want));
}
