import { operatorName } from "../../src/api/names.ts";
import { textFile } from "../image/image-file.ts";
import { gzipLayerOf } from "../image/layer.ts";
import { writeLayout, type About } from "../image/layout.ts";
import { platforms } from "../image/platform.ts";
import { bundleAnnotations } from "./bundle.ts";
import { catalogLabels } from "./files.ts";

/** Texts by path, which are written into an image. */
export type Texts = ReadonlyMap<string, string>;

/** Writes the image of a bundle, whose files are `texts`, as an OCI layout into `folder`. Resolves to the digest of its index. */
export async function writeBundleImage(folder: string, texts: Texts, about: About): Promise<string> {
  const title = `${operatorName}-bundle`;
  return await writeTexts(folder, texts, { ...about, title, labels: bundleAnnotations });
}

/** Writes the image of a catalogue, as `writeBundleImage`. It has nothing that runs: OLM serves its files itself. */
export async function writeCatalogImage(folder: string, texts: Texts, about: About): Promise<string> {
  const inConfigs = new Map([...texts].map(([path, text]) => [`configs/${path}`, text]));
  return await writeTexts(folder, inConfigs, { ...about, title: `${operatorName}-catalog`, labels: catalogLabels });
}

/** The same files for each platform, so that a node of any of them can pull it. */
async function writeTexts(folder: string, texts: Texts, about: About): Promise<string> {
  const files = [...texts].map(([path, text]) => textFile(path, text));
  const layers = [{ ...(await gzipLayerOf(files)), comment: about.title }];
  const images = platforms.map((platform) => ({ platform, layers, run: {} }));
  return await writeLayout(folder, images, { ...about, madeBy: "npm run release" });
}
