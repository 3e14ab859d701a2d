/**
 * `npm run release:publish`: pushes the images and charts of a release folder to where they say that they are, and prints each as
 * "reference@digest", for who signs them. `--registry` stands in place of the registry and path of the image, `--insecure` is for one without TLS.
 * Who may push is in the login that crane and helm find.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs, promisify } from "node:util";
import { sha256Hex } from "../../src/std/digest.ts";
import { charts } from "../charts/charts.ts";
import { goTool } from "../go-tool.ts";
import { publishedPath } from "../manifests/operator.ts";
import type { ReleasedImage } from "./release.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");
const { values } = parseArgs({
  options: {
    folder: { type: "string", default: join(root, "dist/release") },
    registry: { type: "string", default: publishedPath },
    insecure: { type: "boolean", default: false },
  },
});
const folder = resolve(values.folder);
const signal = AbortSignal.timeout(30 * 60_000);

await verifyChecksums();
const images = JSON.parse(await readFile(join(folder, "images.json"), "utf8")) as readonly ReleasedImage[];
for (const one of images) console.log(await pushImage(one));
for (const name of (await readdir(folder)).filter(isChart).toSorted()) console.log(await pushChart(name));

function isChart(name: string): boolean {
  return charts.some(
    (chart) => name.startsWith(`${chart.name}-`) && /^\d.*\.tgz$/.test(name.slice(chart.name.length + 1)),
  );
}

/** Throws when a file is not what it was when the release was made. */
async function verifyChecksums(): Promise<void> {
  const lines = (await readFile(join(folder, "checksums.txt"), "utf8")).trimEnd().split("\n");
  for (const line of lines) {
    const [digest, name = ""] = line.split("  ");
    const actual = sha256Hex(await readFile(join(folder, name)));
    if (actual !== digest)
      throw new Error(`Cannot publish ${name}: it is not the file that checksums.txt lists; release again`);
  }
}

async function pushImage({ reference, digest, file }: ReleasedImage): Promise<string> {
  const crane = await goTool("crane", signal);
  const target = reference.replace(publishedPath, values.registry);
  const layout = await mkdtemp(join(tmpdir(), "release-image-"));
  try {
    await run("tar", ["--extract", `--file=${join(folder, file)}`, `--directory=${layout}`]);
    await run(crane, ["push", layout, target, ...(values.insecure ? ["--insecure"] : [])], { signal });
    return `${target}@${digest}`;
  } finally {
    await rm(layout, { recursive: true });
  }
}

/** Helm names the digest of what it has pushed, on standard error. */
async function pushChart(name: string): Promise<string> {
  const helm = await goTool("helm-4", signal);
  const plain = values.insecure ? ["--plain-http"] : [];
  const { stdout, stderr } = await run(
    helm,
    ["push", join(folder, name), `oci://${values.registry}/charts`, ...plain],
    {
      signal,
    },
  );
  const [, reference] = /^Pushed: (\S+)$/m.exec(stdout + stderr) ?? [];
  const [, digest] = /^Digest: (\S+)$/m.exec(stdout + stderr) ?? [];
  if (reference === undefined || digest === undefined)
    throw new Error(`Cannot read what helm said of ${name}: ${stdout}${stderr}`);
  return `${reference}@${digest}`;
}
