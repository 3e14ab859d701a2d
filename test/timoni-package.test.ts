import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { readTar } from "../scripts/image/debian.ts";
import type { ImageFile } from "../scripts/image/image-file.ts";
import { digestOf } from "../scripts/image/layer.ts";
import { timoniModules } from "../scripts/timoni/modules.ts";
import { moduleFiles, packageModule } from "../scripts/timoni/package.ts";
import type { JsonObject } from "../src/std/json.ts";

const about = { version: "1.2.3-rc.1", revision: "abc", created: "2026-01-01T00:00:00Z" };
const inTar = async (content: Uint8Array): Promise<ReadonlyMap<string, Uint8Array>> => {
  const files = await readTar(Readable.from([content]));
  return new Map(files.flatMap((file: ImageFile) => (file.kind === "file" ? [[file.path, file.content]] : [])));
};
const json = (content: Uint8Array | undefined) => JSON.parse(Buffer.from(content ?? []).toString());

for (const module of timoniModules) {
  test(`packageModule("${module}") is an OCI layout with Timoni's types, and names the version`, async () => {
    const { name, content, digest } = await packageModule(module, about);
    assert.equal(name, `${module}-1.2.3-rc.1.oci.tar`);
    const files = await inTar(content);
    const blob = (of: string) => files.get(`blobs/${of.replace(":", "/")}`);
    for (const [path, bytes] of files)
      if (path.startsWith("blobs/")) assert.equal(digestOf(bytes), path.replace("blobs/", "").replace("/", ":"));
    const manifest = json(blob(digest));
    assert.deepEqual(json(files.get("index.json")).manifests, [
      {
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        digest,
        size: blob(digest)?.length,
        annotations: { "org.opencontainers.image.ref.name": "1.2.3-rc.1" },
      },
    ]);
    assert.equal(manifest.config.mediaType, "application/vnd.timoni.config.v1+json");
    assert.deepEqual(
      manifest.layers.map((layer: JsonObject) => [layer["mediaType"], layer["annotations"]]),
      [
        ["application/vnd.timoni.content.v1.tar+gzip", { "sh.timoni.content.type": "module/vendor" }],
        ["application/vnd.timoni.content.v1.tar+gzip", { "sh.timoni.content.type": "module" }],
      ],
    );
    assert.equal(manifest.annotations["org.opencontainers.image.version"], "1.2.3-rc.1");
    const [vendored, own] = await Promise.all(
      manifest.layers.map(async (layer: { readonly digest: string }) => inTar(gunzipSync(blob(layer.digest) ?? ""))),
    );
    assert.ok([...vendored.keys()].every((path) => path.startsWith("cue.mod/")));
    const packed: readonly string[] = [...vendored.keys(), ...own.keys()];
    assert.deepEqual(new Set(packed), new Set(moduleFiles(module).map(({ path }) => path)));
    for (const path of ["timoni.cue", "values.cue", "templates/config.cue", "README.md", "LICENSE"])
      assert.ok(own.has(path), path);
    for (const path of ["debug_tool.cue", "debug_values.cue"]) assert.equal(own.has(path), false, path);
  });

  test(`packageModule("${module}") is the same to the byte each time`, async () =>
    assert.deepEqual(await packageModule(module, about), await packageModule(module, about)));
}

for (const version of ["v1.2.3", "1.2", "1.2.3+build", "01.2.3", "1.2.3-dev"])
  test(`packageModule() refuses version ${version}, which Timoni does not take`, async () =>
    await assert.rejects(
      packageModule("flux-instance", { ...about, version }),
      new RegExp(`^TypeError: Cannot package flux-instance as ${version.replace("+", "\\+")}: Timoni takes versions`),
    ));
