import assert from "node:assert/strict";
import { test } from "node:test";
import type { CanonicalSpec } from "../../../api/spec.ts";
import type { KubeObject } from "../../../kube/object.ts";
import { SignatureError } from "../../../oci/signatures/signature-error.ts";
import type { TrustInput } from "../../../oci/signatures/trust-input.ts";
import { readSignatureTrust } from "./signature-trust.ts";

const never = new AbortController().signal;

type Secrets = { readonly [name: string]: { readonly [entry: string]: string } };
type Verify = NonNullable<CanonicalSpec["distribution"]["verify"]>;

async function trustWith(secrets: Secrets, verify: Omit<Verify, "provider">): Promise<TrustInput> {
  const getOrUndefined = async (_: unknown, { name }: { readonly name: string }): Promise<KubeObject | undefined> => {
    const entries = secrets[name];
    if (entries === undefined) return undefined;
    const data = Object.entries(entries).map(([entry, text]) => [entry, Buffer.from(text).toString("base64")]);
    return { apiVersion: "v1", kind: "Secret", metadata: { name }, data: Object.fromEntries(data) };
  };
  const given = { provider: "cosign" as const, ...verify };
  return await readSignatureTrust(given, "flux-system", { client: { getOrUndefined } }, never);
}

const matchOIDCIdentity = [{ issuer: "^https://issuer$", subject: ".*" }];
const end = "copy its signatures along with it, or change spec.distribution.verify";

for (const { name, secrets = {}, verify, want } of [
  {
    name: "takes every entry that ends in .pub, in their order",
    secrets: { keys: { "b.pub": "B", "a.pub": "A", "cosign.key": "private", "cosign.password": "secret" } },
    verify: { secretRef: { name: "keys" } },
    want: {
      keys: [
        { name: "a.pub of Secret flux-system/keys", text: "A" },
        { name: "b.pub of Secret flux-system/keys", text: "B" },
      ],
      remedy: `sign it with a key of Secret flux-system/keys, ${end}`,
    },
  },
  {
    name: "takes identities, and reads no Secret for them",
    verify: { matchOIDCIdentity },
    want: { identities: matchOIDCIdentity, remedy: `let a signer of matchOIDCIdentity sign it, ${end}` },
  },
  {
    name: "takes a trusted root",
    secrets: { root: { "trusted_root.json": "{}" } },
    verify: { trustedRootSecretRef: { name: "root" } },
    want: {
      trustedRoot: { name: "trusted_root.json of Secret flux-system/root", text: "{}" },
      remedy: `let a signer of the trusted root sign it, ${end}`,
    },
  },
] satisfies readonly { name: string; secrets?: Secrets; verify: Omit<Verify, "provider">; want: TrustInput }[]) {
  test(`readSignatureTrust() ${name}`, async () => assert.deepEqual(await trustWith(secrets, verify), want));
}

for (const { name, secrets = {}, verify, want } of [
  {
    name: "a Secret with keys that is not there",
    verify: { secretRef: { name: "keys" } },
    want: "there is no Secret flux-system/keys; create it (kubectl create secret generic keys -n flux-system --from-file=cosign.pub), or change spec.distribution.verify.secretRef",
  },
  {
    name: "a Secret without a public key",
    secrets: { keys: { "cosign.key": "private" } },
    verify: { secretRef: { name: "keys" } },
    want: "Secret flux-system/keys lacks an entry that ends in .pub with a public key; add it",
  },
  {
    name: "a trusted root that is not there",
    secrets: { keys: { "a.pub": "A" } },
    verify: { secretRef: { name: "keys" }, trustedRootSecretRef: { name: "root" } },
    want: "there is no Secret flux-system/root; create it (kubectl create secret generic root -n flux-system --from-file=trusted_root.json), or change spec.distribution.verify.trustedRootSecretRef",
  },
  {
    name: "a Secret without the trusted root",
    secrets: { root: { "root.json": "{}" } },
    verify: { trustedRootSecretRef: { name: "root" } },
    want: "Secret flux-system/root lacks trusted_root.json with the trusted root; add it",
  },
] satisfies readonly { name: string; secrets?: Secrets; verify: Omit<Verify, "provider">; want: string }[]) {
  test(`readSignatureTrust() refuses ${name}`, async () =>
    await assert.rejects(trustWith(secrets, verify), (error) => {
      assert.ok(error instanceof SignatureError);
      assert.equal(error.message, `Cannot verify signatures: ${want}`);
      return true;
    }));
}
