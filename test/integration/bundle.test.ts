import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import type { Metafile } from "esbuild";
import { writeBundle } from "../../scripts/bundle.ts";
import { embeddedVex } from "../../src/distribution/load.ts";
import { minorOf } from "../../src/distribution/vex.ts";
import { textOf } from "../../src/kube/fields.ts";
import { isReady, manifest, startFluxCluster, statusOf } from "../support/flux-cluster.ts";
import { startRegistry } from "../support/registry.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");

/** Outside the checkout: nothing can be found in its node_modules or package.json. */
let folder: string;
let metafile: Metafile;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "flux-operator-bundle-"));
  metafile = await writeBundle(folder);
});
after(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** The sources in the files that are loaded as soon as `entry` starts. */
function sourcesAtStart(entry: string): readonly string[] {
  const seen = new Set<string>();
  const load = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    const imports = metafile.outputs[path]?.imports ?? [];
    for (const { kind, external, path: next } of imports)
      if (kind === "import-statement" && external !== true) load(next);
  };
  load(Object.keys(metafile.outputs).find((path) => path.endsWith(`/${entry}`)) ?? entry);
  return [...seen].flatMap((path) => Object.keys(metafile.outputs[path]?.inputs ?? {}));
}

function packagesOf(sources: readonly string[]): readonly string[] {
  const names = sources.map((path) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]);
  return [...new Set(names.filter((name) => name !== undefined))].toSorted();
}

test("the bundle has the same bytes in another folder", async () => {
  const other = join(folder, "below/another");
  await writeBundle(other);
  const names = (await readdir(other)).filter((name) => /\.(mjs|map|txt)$/.test(name));
  assert.ok(names.includes("operator.mjs"));
  const differing = names.filter((name) => !readFileSync(join(other, name)).equals(readFileSync(join(folder, name))));
  await rm(join(folder, "below"), { recursive: true });
  assert.deepEqual(differing, []);
});

test("the operator's bundle loads what registries, clouds, signatures and login plugins need only when that is needed", () => {
  const sources = sourcesAtStart("operator.mjs");
  const packages = packagesOf(sources);
  assert.ok(packages.includes("pino"), "the bundle is understood");
  assert.deepEqual(
    packages.filter((name) => name === "undici" || name.startsWith("@kubernetes/") || name.startsWith("@sigstore/")),
    [],
  );
  assert.ok(
    sources.some((path) => path.endsWith("/oci/cloud/cloud-registry.ts")),
    "our own files are found",
  );
  assert.deepEqual(
    sources.filter((path) => /\/oci\/cloud\/(?:\w+-login|cloud-logins|aws-signature|login)\.ts$/.test(path)),
    [],
  );
});

/** Files of the bundle that name MD5 or SHA-1, and why none of them computes one: in FIPS mode OpenSSL refuses the first. */
const oldDigests: { readonly [path: string]: string } = {
  "src/operator/fips.ts": "tries that MD5 is refused",
  "node_modules/undici/lib/web/websocket/connection.js": "opens WebSockets; we open none",
  "node_modules/@sigstore/core/dist/x509/sct.js":
    "names what a certificate log may have signed with (RFC 5246); logs sign with SHA-256 (RFC 6962)",
  "node_modules/openid-client/build/index.js":
    "names the padding of a key that decrypts ID tokens; kubeconfigs with OpenID Connect have none",
};

test("nothing in the bundle computes MD5 or SHA-1", () => {
  const inputs = Object.values(metafile.outputs).flatMap((output) => Object.entries(output.inputs));
  const used = [...new Set(inputs.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([path]) => path))];
  const named = used.filter((path) =>
    /(["'`])([a-z]+-)?(md[245]|sha-?1|ripemd(160)?)\1/i.test(readFileSync(join(root, path), "utf8")),
  );
  assert.deepEqual(named.toSorted(), Object.keys(oldDigests).toSorted());
});

test("the operator's bundle installs Flux", async () => {
  await using cluster = await startFluxCluster({ main: join(folder, "operator.mjs") });
  await cluster.apply(await manifest("examples/flux-instance-rfc.yaml"));
  const instance = await cluster.instanceWhen("is ready", isReady);
  const { lastAppliedVersion, vulnerabilities } = statusOf(instance);
  const known = embeddedVex[minorOf(textOf(lastAppliedVersion))];
  assert.deepEqual(vulnerabilities, { source: "Embedded", ...known });
  assert.deepEqual(
    cluster.operator.log().filter((line) => line.includes('"level":"error"')),
    [],
  );
});

test("the CLI's bundle builds the example as the checkout does", async () => {
  const args = ["build", "instance", "-f", join(root, "examples", "flux-instance.yaml")];
  const bundled = await run(process.execPath, [join(folder, "flux-operator.mjs"), ...args]);
  const checkout = await run(join(root, "bin", "flux-operator"), args);
  assert.match(bundled.stdout, /kind: Deployment/);
  assert.equal(bundled.stdout, checkout.stdout);
});

test("the CLI's bundle asks a registry", async () => {
  const signal = AbortSignal.timeout(60_000);
  await using registry = await startRegistry({ kind: "open" }, signal);
  const place = ["--distribution", `oci://${registry.host}/org/manifests:latest`, "--distribution-insecure"];
  const args = ["build", "instance", "-f", join(root, "examples", "flux-instance.yaml"), ...place];
  const refused = run(process.execPath, [join(folder, "flux-operator.mjs"), ...args]);
  await assert.rejects(refused, /Cannot pull oci:\S+: \S+ does not have it \(404\)/);
});
