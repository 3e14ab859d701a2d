import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { imagesToResolve } from "../../src/distribution/images.ts";
import { loadRelease } from "../../src/distribution/load.ts";
import type { ComponentName } from "../../src/distribution/release.ts";
import { pushImage, pushIndex } from "./registry.ts";
import { tarGzOf } from "./tarball.ts";

/** A registry of images whose tags can be rebuilt. */
export type ImageMirror = AsyncDisposable & {
  /** "<registry>/<component>:<tag>" of the release. */
  imageOf(component: ComponentName): string;
  /** Digest of the only manifest in the index that was pushed last. */
  manifestOf(component: ComponentName): string;
  /** Pushes another image under the tag of the component, as an index of one; gives back the digest of the index. */
  rebuild(component: ComponentName): Promise<string>;
};

/** Pushes images for `components` of an embedded release to `host` below `flux/`; `registry` is how the operator names that place. */
export async function startImageMirror(
  { host, registry, version, components, ...pushing }: MirrorOptions,
  signal: AbortSignal,
): Promise<ImageMirror> {
  const folder = await mkdtemp(join(tmpdir(), "mirror-"));
  const names = imagesToResolve(loadRelease(version), { registry, digests: "Registry" }, components);
  const images = new Map(components.map((component, index) => [component, names[index] ?? ""]));
  const manifests = new Map<ComponentName, string>();
  let builds = 0;
  const imageOf = (component: ComponentName): string => images.get(component) ?? "";
  const rebuild = async (component: ComponentName): Promise<string> => {
    builds += 1;
    const to = imageOf(component).replace(registry, `${host}/flux`);
    const tarball = join(folder, `${builds}.tgz`);
    await writeFile(tarball, await tarGzOf({ [component]: `build ${builds}` }));
    const repository = to.slice(0, to.lastIndexOf(":"));
    const manifest = await pushImage({ tarball, to: `${repository}:build-${builds}`, ...pushing }, signal);
    manifests.set(component, manifest);
    return await pushIndex([`${repository}@${manifest}`], to, signal, pushing.login);
  };
  for (const component of components) await rebuild(component);
  return {
    imageOf,
    manifestOf: (component) => manifests.get(component) ?? "",
    rebuild,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

type MirrorOptions = {
  /** Where images are pushed: a registry that speaks plain HTTP. */
  readonly host: string;
  readonly registry: string;
  readonly version: string;
  readonly components: readonly ComponentName[];
  readonly login?: { readonly username: string; readonly password: string };
};
