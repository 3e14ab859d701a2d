import assert from "node:assert/strict";
import { test } from "node:test";
import { specOf } from "../../../../test/support/small-release.ts";
import type { DigestSource } from "../../../distribution/images.ts";
import { RegistryError } from "../../../oci/registry-error.ts";
import type { RepositoryReads } from "../../../oci/registry.ts";
import { IndexContents } from "./index-contents.ts";

const never = new AbortController().signal;
const [index = "", amd = "", arm = ""] = ["1", "2", "3"].map((digit) => `sha256:${digit.repeat(64)}`);
const image = `mirror.example/flux/source-controller@${index}`;
const manifest = { mediaType: "application/vnd.oci.image.manifest.v1+json", size: 1 };
const ofPlatforms = {
  schemaVersion: 2,
  mediaType: "application/vnd.oci.image.index.v1+json",
  manifests: [
    { ...manifest, digest: amd, platform: { os: "linux", architecture: "amd64" } },
    { ...manifest, digest: arm, platform: { os: "linux", architecture: "arm64" } },
  ],
};
const ofOne = { schemaVersion: 2, mediaType: manifest.mediaType, config: {}, layers: [] };
const unreachable = new RegistryError({ kind: "unreachable", message: "away" });

/** What is known of the image in a registry that has `content` under every digest, and how often it was asked in two calls. */
async function contents(content: object | undefined | RegistryError, digests: DigestSource = "Registry") {
  let asked = 0;
  const reads: Pick<RepositoryReads, "manifest"> = {
    manifest: async () => content && new TextEncoder().encode(JSON.stringify(content)),
  };
  const known = new IndexContents({
    client: { getOrUndefined: async () => undefined },
    registry: {
      read: async (_request, _signal, work) => {
        asked += 1;
        if (content instanceof RegistryError) throw content;
        return await work(reads as RepositoryReads);
      },
    },
  });
  const { distribution } = specOf({ distribution: { registry: "mirror.example/flux", digests } });
  const first = await known.platformsOf(image, { distribution, namespace: "flux-system" }, never);
  assert.deepEqual(await known.platformsOf(image, { distribution, namespace: "flux-system" }, never), first);
  return { digests: first, asked };
}

for (const { name, content, source, want } of [
  {
    name: "of an index are its own and those of its platforms",
    content: ofPlatforms,
    want: { digests: [index, amd, arm], asked: 1 },
  },
  { name: "of a manifest is its own", content: ofOne, want: { digests: [index], asked: 1 } },
  { name: "of what is not there are not known", content: undefined, want: { digests: undefined, asked: 2 } },
  { name: "are not known while the registry is away", content: unreachable, want: { digests: undefined, asked: 2 } },
  { name: "of what is no manifest are not known", content: { garbage: true }, want: { digests: undefined, asked: 2 } },
  {
    name: "are not asked for where digests are the release's",
    content: ofPlatforms,
    source: "Catalog",
    want: { digests: undefined, asked: 0 },
  },
] satisfies readonly { name: string; content: object | undefined; source?: DigestSource; want: object }[]) {
  test(`platformsOf() ${name}`, async () => assert.deepEqual(await contents(content, source), want));
}
