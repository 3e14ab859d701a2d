import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { writeBundleOf } from "../../../test/support/bundle-of.ts";
import { signBundle, signTag } from "../../../test/support/signatures.ts";
import { systemClock } from "../../std/clock.ts";
import { RegistryError } from "../registry-error.ts";
import { untar } from "../layer.ts";
import { SignatureChecks } from "../signatures/signature-checks.ts";
import { withBundles, type ArtifactReads } from "./bundles.ts";

const never = new AbortController().signal;
const files = { "flux/v2.9.4/rbac.yaml": "kind: ClusterRole\n" };
const ours = generateKeyPairSync("ec", { namedCurve: "P-256" });
const key = ours.privateKey;
const asked: string[] = [];
const registry = {
  resolve: async (reference: string) => {
    asked.push(reference);
    return { digest: "", mediaType: "" };
  },
} as unknown as ArtifactReads;

let outside: string;
let folder: string;
let bundles: ArtifactReads;

before(async () => {
  outside = await mkdtemp(join(tmpdir(), "bundles-"));
  folder = join(outside, "bundles");
  await mkdir(join(folder, "..data"), { recursive: true });
  bundles = withBundles(registry, { folder, clock: systemClock });
});
after(() => rm(outside, { recursive: true, force: true }));

const at = (name: string) => join(folder, name);

async function outcomeOf(reference: string): Promise<string> {
  try {
    const { tarball } = await bundles.fetch(reference, {}, never);
    const read = await untar(tarball, { source: reference }, never);
    return [...read].map(([path, content]) => `${path}: ${Buffer.from(content).toString()}`).join();
  } catch (error) {
    assert.ok(error instanceof RegistryError);
    return `${error.kind}: ${error.message.replaceAll(folder, "/bundles")}`;
  }
}

describe("bundle://", { concurrency: 1 }, () => {
  test("is the artifact in a file of the folder, by tag and by digest", async () => {
    const [digest = ""] = await writeBundleOf(at("flux.tar"), [{ files }]);
    const { digest: resolved } = await bundles.resolve("bundle://flux.tar", {}, never);
    assert.equal(resolved, digest);
    const whole = "flux/v2.9.4/rbac.yaml: kind: ClusterRole\n";
    assert.equal(await outcomeOf("bundle://flux.tar"), whole);
    assert.equal(await outcomeOf(`bundle://flux.tar@${digest}`), whole);
  });

  test("may be reached by a link that stays in the folder, as volumes have them", async () => {
    await writeBundleOf(at("..data/linked.tar"), [{ files }]);
    await symlink("..data/linked.tar", at("linked.tar"));
    assert.match(await outcomeOf("bundle://linked.tar"), /^flux\/v2\.9\.4/);
  });

  test("leaves other addresses to the registry", async () => {
    await bundles.resolve("oci://example.com/a:v1", {}, never);
    assert.deepEqual(asked, ["oci://example.com/a:v1"]);
  });

  for (const { name, given, reference, want } of [
    {
      name: "a file that is not there",
      given: async () => undefined,
      reference: "bundle://none.tar",
      want: "not-found: Cannot read bundle://none.tar: the operator's pod has no /bundles/none.tar; mount the volume with the bundle there, or correct the name",
    },
    {
      name: "a link out of the folder",
      given: async () => {
        await writeBundleOf(join(outside, "secret.tar"), [{ files }]);
        await symlink("../secret.tar", at("out.tar"));
      },
      reference: "bundle://out.tar",
      want: "redirect: Cannot read bundle://out.tar: /bundles/out.tar is a link out of /bundles",
    },
    {
      name: "a folder",
      given: () => mkdir(at("folder.tar")),
      reference: "bundle://folder.tar",
      want: "unsupported: Cannot read bundle://folder.tar: /bundles/folder.tar is no file",
    },
    {
      name: "a named pipe, without waiting for its other end",
      given: () => promisify(execFile)("mkfifo", [at("pipe.tar")]),
      reference: "bundle://pipe.tar",
      want: "unsupported: Cannot read bundle://pipe.tar: /bundles/pipe.tar is no file",
    },
    {
      name: "something else than a bundle",
      given: () => writeFile(at("text.tar"), "a".repeat(2_000)),
      reference: "bundle://text.tar",
      want: "unsupported: Cannot read bundle://text.tar: it is no bundle; make it with `flux-operator distro bundle`",
    },
    {
      name: "a bundle of images alone",
      given: () =>
        writeBundleOf(at("images.tar"), [{ files, mediaType: "application/vnd.oci.image.layer.v1.tar+gzip" }]),
      reference: "bundle://images.tar",
      want: "truncated: Cannot read bundle://images.tar: there is no artifact in it; make it with `distro bundle --artifact`",
    },
    {
      name: "a tar whose first entry has less than no bytes, which would be read for ever",
      given: async () => {
        await writeBundleOf(at("minus.tar"), [{ files }]);
        const bytes = await readFile(at("minus.tar"));
        bytes.write("-0000001000\0", 124, "latin1");
        await writeFile(at("minus.tar"), bytes);
      },
      reference: "bundle://minus.tar",
      want: "truncated: Cannot read bundle://minus.tar: it is a damaged tar file",
    },
    {
      name: "several artifacts",
      given: () => writeBundleOf(at("two.tar"), [{ files }, { files: { a: "b" } }]),
      reference: "bundle://two.tar",
      want: "truncated: Cannot read bundle://two.tar: it has several artifacts: manifests-1:latest, manifests:latest",
    },
    {
      name: "an artifact that claims to be larger than any",
      given: () => writeBundleOf(at("large.tar"), [{ files, claimedBytes: 2 ** 40 }]),
      reference: "bundle://large.tar",
      want: "truncated: Cannot read bundle://large.tar: its artifact has more than 33554432 bytes",
    },
    {
      name: "another artifact than the one whose signature was verified",
      given: async () => undefined,
      reference: `bundle://linked.tar@sha256:${"0".repeat(64)}`,
      want: /^digest-mismatch: Cannot read bundle:\/\/linked\.tar@sha256:0{64}: its artifact is sha256:[0-9a-f]{64} by now$/,
    },
    ...[
      "bundle://",
      "bundle://../flux.tar",
      "bundle://a/b.tar",
      "bundle:///etc/passwd",
      "bundle://.hidden",
      "bundle://a%2fb",
    ].map((reference) => ({
      name: `the name ${reference}`,
      given: async () => undefined,
      reference,
      want: `reference: Cannot read the address "${reference}": a bundle is named like bundle://flux.tar, by letters, digits, dots, dashes and underscores`,
    })),
  ]) {
    test(`refuses ${name}`, async () => {
      await given();
      const outcome = await outcomeOf(reference);
      if (typeof want === "string") assert.equal(outcome, want);
      else assert.match(outcome, want);
    });
  }

  test("refuses a file that is not whole or was changed, and takes it when it is", async () => {
    await writeBundleOf(at("copied.tar"), [{ files }]);
    const whole = await readFile(at("copied.tar"));
    const changed = Buffer.from(whole);
    const gzip = changed.indexOf(Buffer.from([0x1f, 0x8b]));
    changed.writeUInt8(changed.readUInt8(gzip + 20) ^ 1, gzip + 20);
    for (const bytes of [changed, whole.subarray(0, 700), whole.subarray(0, -2_048)]) {
      await writeFile(at("copied.tar"), bytes);
      assert.match(await outcomeOf("bundle://copied.tar"), /^(truncated|unsupported): /);
    }
    await writeFile(at("copied.tar"), whole);
    assert.match(await outcomeOf("bundle://copied.tar"), /^flux\/v2\.9\.4/);
  });

  for (const { form, signatures } of [
    { form: "at cosign's tag", signatures: (digest: string) => [signTag({ key, digest })] },
    { form: "as a referrer", signatures: (digest: string) => [signBundle({ key, digest })] },
  ]) {
    test(`has the signatures that were copied along, ${form}`, async () => {
      const pem = ours.publicKey.export({ format: "pem", type: "spki" });
      const trust = { keys: [{ name: "cosign.pub", text: pem }], remedy: "sign it" };
      const [digest = ""] = await writeBundleOf(at("signed.tar"), [{ files, signatures }]);
      const checks = new SignatureChecks(bundles);
      await checks.check({ reference: `bundle://signed.tar@${digest}`, digest }, trust, {}, never);
      const [bare = ""] = await writeBundleOf(at("bare.tar"), [{ files: { ...files, other: "1" } }]);
      await assert.rejects(checks.check({ reference: `bundle://bare.tar@${bare}`, digest: bare }, trust, {}, never), {
        message: `Cannot trust bundle://bare.tar@${bare}: it has no signature; sign it`,
      });
    });
  }
});
