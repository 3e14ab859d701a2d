import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { parse } from "yaml";

import type { ReleaseFacts } from "../src/distribution/build-release.ts";
import { componentNames, imageVariants } from "../src/distribution/release.ts";
import type { ComponentName, ImageVariant, ReleaseImage, VariantImages } from "../src/distribution/release.ts";
import { isJsonObject } from "../src/std/json.ts";
import { openCrdGenerator } from "./distribution-crds.ts";
import { findStandIn } from "./distribution-stand-ins.ts";
import { generateDistribution } from "./generate-distribution.ts";

const usage = `Usage: node scripts/import-release.ts <version>... [flags]

Writes the facts of Flux releases to src/distribution/data/releases/ and generates the rest of the data from them.

  --images <folder>                           an official flux-images folder: <folder>/v<version>/<variant>.yaml
  --component <name>=<tag>                    tag of a component's image in the official manifests; needed where the
                                              enterprise-distroless images (else upstream-alpine) have another
  --api <name>=<version>                      module version to read a component's CRDs from, where the Go proxy refuses its own
                                              and the patches around it differ
  --image <variant>/<component>=<tag>@<digest> one image, instead of or over those of --images`;

type Overrides = {
  readonly components: ReadonlyMap<ComponentName, string>;
  readonly apis: ReadonlyMap<ComponentName, string>;
  readonly images: readonly {
    readonly variant: ImageVariant;
    readonly name: ComponentName;
    readonly image: ReleaseImage;
  }[];
};

export async function importReleases(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      images: { type: "string" },
      api: { type: "string", multiple: true, default: [] },
      component: { type: "string", multiple: true, default: [] },
      image: { type: "string", multiple: true, default: [] },
    },
  });
  if (positionals.length === 0) throw new Error(usage);
  const overrides = {
    components: new Map(values.component.map(parseComponent)),
    apis: new Map(values.api.map(parseComponent)),
    images: values.image.map(parseImage),
  };
  const folder = join(import.meta.dirname, "../src/distribution/data/releases");
  await mkdir(folder, { recursive: true });
  for (const argument of positionals) {
    const version = argument.replace(/^v/, "");
    const official = values.images === undefined ? {} : await readImages(join(values.images, `v${version}`));
    const facts = await withStandIns(releaseFacts(version, official, overrides), overrides.apis);
    await writeFile(join(folder, `${version}.json`), `${JSON.stringify(facts, undefined, 1)}\n`);
    console.log(
      `${version}: ${Object.keys(facts.components).length} components, ${Object.keys(facts.images).join(", ")}`,
    );
  }
  await generateDistribution({ check: false });
}

type Images = { readonly [variant in ImageVariant]?: VariantImages };

function releaseFacts(version: string, official: Images, overrides: Overrides): ReleaseFacts {
  const images = imageVariants.flatMap((variant) => {
    const named = componentNames.flatMap((name) => {
      const given = overrides.images.find((entry) => entry.variant === variant && entry.name === name);
      const image = given?.image ?? official[variant]?.[name];
      return image === undefined ? [] : [[name, image] as const];
    });
    return named.length === 0 ? [] : [[variant, Object.fromEntries(named)] as const];
  });
  const byVariant: Images = Object.fromEntries(images);
  const components = componentNames.flatMap((name) => {
    const tag =
      overrides.components.get(name) ??
      (byVariant["enterprise-distroless"]?.[name] ?? byVariant["upstream-alpine"]?.[name])?.tag;
    return tag === undefined ? [] : [[name, tag] as const];
  });
  if (components.length === 0)
    throw new Error(`Cannot import ${version}: neither --images nor --component names a component`);
  return { version, components: Object.fromEntries(components), images: byVariant };
}

async function withStandIns(facts: ReleaseFacts, apis: Overrides["apis"]): Promise<ReleaseFacts> {
  await using generator = await openCrdGenerator();
  const standIns: { [component in ComponentName]?: string } = {};
  for (const component of componentNames) {
    const tag = facts.components[component];
    if (tag === undefined) continue;
    const version = apis.get(component) ?? (await findStandIn(generator, { component, release: facts.version, tag }));
    if (version !== undefined && version !== tag) standIns[component] = version;
  }
  return Object.keys(standIns).length === 0 ? facts : { ...facts, standIns };
}

async function readImages(folder: string): Promise<Images> {
  const variants = await Promise.all(
    (await readdir(folder)).map(async (file) => {
      const variant = imageVariants.find((name) => `${name}.yaml` === file);
      if (variant === undefined) throw new Error(`Cannot import ${join(folder, file)}: not a known image variant`);
      const document: unknown = parse(await readFile(join(folder, file), "utf8"));
      const list = isJsonObject(document) && Array.isArray(document["images"]) ? document["images"] : [];
      return [variant, Object.fromEntries(list.map(readImage))] as const;
    }),
  );
  return Object.fromEntries(variants);
}

function readImage(entry: unknown): readonly [ComponentName, ReleaseImage] {
  if (!isJsonObject(entry)) throw new Error(`Cannot read image ${JSON.stringify(entry)}: not an object`);
  const { name, newTag, digest } = entry;
  if (typeof name !== "string" || typeof newTag !== "string" || typeof digest !== "string") {
    throw new Error(`Cannot read image ${JSON.stringify(entry)}: name, newTag and digest must be text`);
  }
  return [componentName(name.slice(name.lastIndexOf("/") + 1)), { tag: newTag, digest: checkDigest(digest) }];
}

function parseComponent(flag: string): readonly [ComponentName, string] {
  const match = /^([^=]+)=(\S+)$/.exec(flag);
  if (match?.[1] === undefined || match[2] === undefined) throw new Error(`Cannot read ${flag}: not <name>=<version>`);
  return [componentName(match[1]), match[2]];
}

function parseImage(flag: string): Overrides["images"][number] {
  const [, variantText, name, tag, digest] = /^([^/]+)\/([^=]+)=([^@]+)@(.+)$/.exec(flag) ?? [];
  const variant = imageVariants.find((candidate) => candidate === variantText);
  if (variant === undefined || name === undefined || tag === undefined || digest === undefined) {
    throw new Error(`Cannot read --image ${flag}: not <variant>/<component>=<tag>@<digest>`);
  }
  return { variant, name: componentName(name), image: { tag, digest: checkDigest(digest) } };
}

function componentName(text: string): ComponentName {
  const name = componentNames.find((candidate) => candidate === text);
  if (name === undefined) throw new Error(`Cannot import component ${text}: known are ${componentNames.join(", ")}`);
  return name;
}

function checkDigest(digest: string): string {
  if (!/^sha256:[0-9a-f]{64}$/.test(digest)) throw new Error(`Cannot read digest ${digest}: not sha256:<64 hex>`);
  return digest;
}

if (import.meta.main) await importReleases(process.argv.slice(2));
