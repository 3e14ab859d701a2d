import assert from "node:assert/strict";
import { test } from "node:test";
import { RegistryError, type RegistryErrorKind } from "./registry-error.ts";
import { resolveImages, unresolved } from "./resolve-images.ts";

const never = new AbortController().signal;
const images = ["mirror.example/a:v1", "mirror.example/b:v1", "mirror.example/c:v1"];

/** A registry that fails for some images, and what it was asked for. */
function registryOf(failures: { readonly [image: string]: RegistryErrorKind | Error }) {
  const asked: string[] = [];
  const resolve = (reference: string): Promise<{ digest: string; mediaType: string }> => {
    asked.push(reference);
    const failure = failures[reference.replace("oci://", "")];
    if (failure === undefined) return Promise.resolve({ digest: `digest of ${reference}`, mediaType: "" });
    const message = `Cannot resolve ${reference}: it fails`;
    return Promise.reject(typeof failure === "string" ? new RegistryError({ kind: failure, message }) : failure);
  };
  return { asked, resolve };
}

for (const { name, failures, want, asked } of [
  { name: "gives every digest", failures: {}, want: ["digest", "digest", "digest"], asked: 3 },
  {
    name: "gives the others when one is not there",
    failures: { [images[1] ?? ""]: "not-found" },
    want: ["digest", "not-found", "digest"],
    asked: 3,
  },
  {
    name: "gives the others when the first is not there",
    failures: { [images[0] ?? ""]: "not-found" },
    want: ["not-found", "digest", "digest"],
    asked: 3,
  },
  {
    name: "asks once while the registry is away",
    failures: { [images[0] ?? ""]: "unreachable" },
    want: ["unreachable", "unreachable", "unreachable"],
    asked: 1,
  },
  {
    name: "asks once while the registry limits requests",
    failures: { [images[0] ?? ""]: "rate-limited" },
    want: ["rate-limited", "rate-limited", "rate-limited"],
    asked: 1,
  },
] satisfies readonly { failures: { [image: string]: RegistryErrorKind }; [field: string]: unknown }[]) {
  test(`resolveImages() ${name}`, async () => {
    const registry = registryOf(failures);
    const results = await resolveImages(images, {}, registry, never);
    assert.deepEqual(
      results.map(({ image }) => image),
      images,
    );
    assert.deepEqual(
      results.map((result) => ("error" in result ? result.error.kind : "digest")),
      want,
    );
    assert.equal(registry.asked.length, asked);
  });
}

test("resolveImages() asks for nothing without images", async () =>
  assert.deepEqual(await resolveImages([], {}, registryOf({}), never), []));

test("resolveImages() throws what is a bug", async () => {
  const registry = registryOf({ [images[2] ?? ""]: new TypeError("a bug") });
  await assert.rejects(resolveImages(images, {}, registry, never), { message: "a bug" });
});

test("unresolved() has the first error and the names of the other images", async () => {
  const registry = registryOf({ [images[1] ?? ""]: "not-found", [images[2] ?? ""]: "unauthorized" });
  const found = unresolved(await resolveImages(images, {}, registry, never));
  assert.deepEqual(
    [found?.error.message, found?.others],
    ["Cannot resolve oci://mirror.example/b:v1: it fails", "; likewise mirror.example/c:v1"],
  );
  assert.equal(unresolved(await resolveImages(images, {}, registryOf({}), never)), undefined);
});
