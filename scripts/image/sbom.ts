import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Enums, Models, Serialize, Spec } from "@cyclonedx/cyclonedx-library";
import type { Metafile } from "esbuild";
import { sha256Hex } from "../../src/std/digest.ts";
import { debianPackages } from "./debian.ts";
import { nodePackage } from "./node-program.ts";
import type { Platform } from "./platform.ts";

const root = join(import.meta.dirname, "../..");

/** What an image was made of. */
export type Contents = {
  readonly platform: Platform;
  readonly version: string;
  readonly bundle: Metafile;
  /** Of the FIPS variant: the module of OpenSSL's provider, which is known by its digest alone. */
  readonly fipsModule?: Uint8Array;
};

/**
 * The bill of materials of the image for a platform, as CycloneDX 1.6 in JSON: Debian's packages, Node, and the npm packages of which the bundle
 * has code. The same text for the same image: it has no serial number and no time.
 */
export async function sbomOf({ platform, version, bundle, fipsModule }: Contents): Promise<string> {
  const operator = new Models.Component(Enums.ComponentType.Application, "flux-operator", {
    version,
    purl: `pkg:generic/flux-operator@${version}`,
    bomRef: "flux-operator",
  });
  const bom = new Models.Bom({ metadata: new Models.Metadata({ component: operator }) });
  const fips = fipsModule === undefined ? [] : [fipsOf(fipsModule)];
  for (const one of [...debianOf(platform), await nodeOf(platform), ...fips, ...(await npmOf(bundle))]) {
    bom.components.add(one);
    operator.dependencies.add(one.bomRef);
  }
  const json = new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6);
  return new Serialize.JsonSerializer(json).serialize(bom, { sortLists: true, space: 2 });
}

function debianOf({ architecture }: Platform): readonly Models.Component[] {
  return debianPackages(architecture).map(({ name, version, source, sha256 }) => {
    const arch = name === "ca-certificates" ? "all" : architecture;
    const upstream = source === name ? "" : `&upstream=${source}`;
    const purl = `pkg:deb/debian/${name.replaceAll("+", "%2B")}@${encodeURIComponent(version)}?arch=${arch}&distro=debian-12${upstream}`;
    return new Models.Component(Enums.ComponentType.Library, name, {
      version,
      purl,
      bomRef: purl,
      hashes: new Models.HashDictionary([[Enums.HashAlgorithm["SHA-256"], sha256]]),
    });
  });
}

async function nodeOf(platform: Platform): Promise<Models.Component> {
  const { version } = await nodePackage(platform);
  const purl = `pkg:generic/node@${version}`;
  return new Models.Component(Enums.ComponentType.Platform, "node", { version, purl, bomRef: purl });
}

function fipsOf(module: Uint8Array): Models.Component {
  const hashes = new Models.HashDictionary([[Enums.HashAlgorithm["SHA-256"], sha256Hex(module)]]);
  return new Models.Component(Enums.ComponentType.File, "fips/fips.so", { bomRef: "fips/fips.so", hashes });
}

/** The packages whose files esbuild has put into the bundle. */
async function npmOf({ inputs }: Metafile): Promise<readonly Models.Component[]> {
  const folders = Object.keys(inputs).flatMap(
    (path) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? [],
  );
  return await Promise.all(
    [...new Set(folders)].toSorted().map(async (folder) => {
      const { name, version, license } = JSON.parse(await readFile(join(root, folder, "package.json"), "utf8")) as {
        readonly name: string;
        readonly version: string;
        readonly license?: string;
      };
      const purl = `pkg:npm/${name.replace("@", "%40")}@${version}`;
      const licenses = new Models.LicenseRepository(
        license === undefined ? [] : [new Models.LicenseExpression(license)],
      );
      return new Models.Component(Enums.ComponentType.Library, name, { version, purl, bomRef: purl, licenses });
    }),
  );
}
