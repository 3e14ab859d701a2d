import assert from "node:assert/strict";
import { test } from "node:test";

import { apiHost, formatReference, isSameRegistry, parseReference, referenceOfImage } from "./reference.ts";
import type { Reference } from "./reference.ts";
import { RegistryError } from "./registry-error.ts";

const digest = `sha256:${"0123456789abcdef".repeat(4)}`;
const tagged = (host: string, repository: string, tag: string): Reference => ({
  host,
  repository,
  target: { kind: "tag", tag },
});
const pinned = (host: string, repository: string): Reference => ({
  host,
  repository,
  target: { kind: "digest", digest },
});

for (const { name, text, want } of [
  {
    name: "reads host, repository and tag",
    text: "oci://ghcr.io/org/app:v1.2",
    want: tagged("ghcr.io", "org/app", "v1.2"),
  },
  { name: "takes latest without a tag", text: "oci://ghcr.io/org/app", want: tagged("ghcr.io", "org/app", "latest") },
  { name: "reads a digest", text: `oci://ghcr.io/org/app@${digest}`, want: pinned("ghcr.io", "org/app") },
  { name: "lets the digest decide over a tag", text: `oci://ghcr.io/app:v1@${digest}`, want: pinned("ghcr.io", "app") },
  {
    name: "keeps a port apart from a tag",
    text: "oci://localhost:5000/app",
    want: tagged("localhost:5000", "app", "latest"),
  },
  { name: "reads port and tag", text: "oci://10.0.0.1:5000/a/b:1", want: tagged("10.0.0.1:5000", "a/b", "1") },
  { name: "reads an IPv6 address", text: "oci://[::1]:5000/app:1", want: tagged("[::1]:5000", "app", "1") },
  { name: "lowers the host", text: "oci://GHCR.IO/app:V1", want: tagged("ghcr.io", "app", "V1") },
  { name: "knows a host without dots", text: "oci://registry/app", want: tagged("registry", "app", "latest") },
  {
    name: "completes the official images of Docker Hub",
    text: "oci://docker.io/nginx:1",
    want: tagged("docker.io", "library/nginx", "1"),
  },
  {
    name: "leaves other images of Docker Hub",
    text: "oci://docker.io/org/app:1",
    want: tagged("docker.io", "org/app", "1"),
  },
  { name: "reads names with separators", text: "oci://h/a-b__c.d/e--f:x_y", want: tagged("h", "a-b__c.d/e--f", "x_y") },
]) {
  test(`parseReference() ${name}`, () => assert.deepEqual(parseReference(text), want));
  test(`formatReference() gives back what parseReference() ${name}`, () =>
    assert.deepEqual(parseReference(formatReference(want)), want));
}

for (const { text, why } of [
  { text: "ghcr.io/app:v1", why: "it must begin with oci://" },
  { text: "https://ghcr.io/app:v1", why: "it must begin with oci://" },
  { text: "", why: "it must begin with oci://" },
  { text: "oci://ghcr.io", why: "the repository is missing, as in oci://host/repository:tag" },
  { text: "oci://ghcr.io/", why: '"" is no repository name (lower case, no spaces)' },
  { text: "oci:///app", why: '"" is no host' },
  { text: "oci://ghcr.io:99999/app", why: "99999 is no port" },
  { text: "oci://ghcr.io:x/app", why: '"ghcr.io:x" is no host' },
  { text: "oci://gh_cr.io/app", why: '"gh_cr.io" is no host' },
  { text: "oci://ghcr.io/App:v1", why: '"App" is no repository name (lower case, no spaces)' },
  { text: "oci://ghcr.io/a//b", why: '"a//b" is no repository name (lower case, no spaces)' },
  { text: "oci://ghcr.io/../b", why: '"../b" is no repository name (lower case, no spaces)' },
  { text: "oci://ghcr.io/app?x=y", why: '"app?x=y" is no repository name (lower case, no spaces)' },
  { text: "oci://ghcr.io/app:", why: '"" is no tag' },
  { text: "oci://ghcr.io/app:-v1", why: '"-v1" is no tag' },
  { text: "oci://ghcr.io/app:a/b:c", why: '"app:a/b" is no repository name (lower case, no spaces)' },
  { text: "oci://ghcr.io/app@sha256:12", why: '"sha256:12" is no digest (sha256: and 64 hex digits)' },
  {
    text: `oci://h/app@${digest.toUpperCase()}`,
    why: `"${digest.toUpperCase()}" is no digest (sha256: and 64 hex digits)`,
  },
]) {
  test(`parseReference() refuses ${JSON.stringify(text)}`, () => {
    assert.deepEqual(refusal(text), {
      kind: "reference",
      retry: "on-change",
      reason: "ArtifactFailed",
      message: `Cannot read the OCI address ${JSON.stringify(text)}: ${why}`,
    });
  });
}

test("parseReference() refuses credentials in the address without repeating them", () => {
  assert.equal(
    refusal("oci://user:secret@ghcr.io/app").message,
    'Cannot read the OCI address "oci://...": credentials belong in a pull secret, not in the address',
  );
});

test("parseReference() refuses a very long name in no time", () => {
  assert.equal(refusal(`oci://h/${"a-".repeat(5_000)}`).kind, "reference");
  assert.equal(refusal(`oci://h/${"a-".repeat(450)}`).kind, "reference");
  assert.equal(refusal(`oci://${"a-".repeat(450)}/x`).kind, "reference");
});

for (const { host, want } of [
  { host: "docker.io", want: "registry-1.docker.io" },
  { host: "index.docker.io", want: "registry-1.docker.io" },
  { host: "docker.io:443", want: "registry-1.docker.io" },
  { host: "docker.io:5000", want: "docker.io:5000" },
  { host: "ghcr.io", want: "ghcr.io" },
]) {
  test(`apiHost() of ${host} is ${want}`, () => assert.equal(apiHost(host), want));
}

for (const { image, want } of [
  { image: "ghcr.io/fluxcd/app:v1", want: "oci://ghcr.io/fluxcd/app:v1" },
  { image: "fluxcd/app:v1", want: "oci://docker.io/fluxcd/app:v1" },
  { image: "app:v1", want: "oci://docker.io/app:v1" },
  { image: "localhost/app:v1", want: "oci://localhost/app:v1" },
  { image: "registry:5000/app", want: "oci://registry:5000/app" },
  { image: "[::1]:5000/app:v1", want: "oci://[::1]:5000/app:v1" },
]) {
  test(`referenceOfImage() of ${image} is ${want}`, () => assert.equal(referenceOfImage(image), want));
}

for (const { artifact, image, want } of [
  { artifact: "oci://ghcr.io/org/manifests:v1", image: "ghcr.io/fluxcd/app:v1", want: true },
  { artifact: "oci://index.docker.io/org/manifests:v1", image: "fluxcd/app:v1", want: true },
  { artifact: "oci://ghcr.io/org/manifests:v1", image: "ghcr.io:5000/fluxcd/app:v1", want: false },
  { artifact: "oci://ghcr.io/org/manifests:v1", image: "fluxcd/app:v1", want: false },
  { artifact: "oci://nowhere", image: "nowhere/ab c", want: false },
]) {
  test(`isSameRegistry() of ${artifact} and ${image} is ${want}`, () =>
    assert.equal(isSameRegistry(artifact, image), want));
}

function refusal(text: string): Pick<RegistryError, "kind" | "retry" | "reason" | "message"> {
  try {
    parseReference(text);
  } catch (error) {
    assert.ok(error instanceof RegistryError);
    const { kind, retry, reason, message } = error;
    return { kind, retry, reason, message };
  }
  throw new Error(`${text} was taken`);
}
