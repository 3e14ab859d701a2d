import { execFile } from "node:child_process";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { operatorName } from "../../src/api/names.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import { formatYaml, parseKubeYamlDocuments } from "../../src/std/yaml.ts";
import { charts } from "../charts/charts.ts";
import { filesIn, textFile } from "../image/image-file.ts";
import { appFiles } from "../image/root-files.ts";
import { platforms } from "../image/platform.ts";
import { image, publishedPath } from "../manifests/operator.ts";
import { packNpmPackages } from "../npm/pack.ts";
import { bundleFiles } from "../olm/bundle.ts";
import { catalogDocuments } from "../olm/catalog.ts";
import { bundleImage, catalogImage } from "../olm/files.ts";
import { writeBundleImage, writeCatalogImage } from "../olm/images.ts";
import { archiveName, moduleArchive } from "../terraform/archive.ts";
import { timoniModules } from "../timoni/modules.ts";
import { packageModule } from "../timoni/package.ts";
import { writeArchive } from "./archive.ts";
import type { Maker, Release, ReleasedImage } from "./release.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");
const packaging = join(root, "packaging");

/** Everything that a release consists of, in the order in which it is made; the name is for whoever waits. */
export const makers: readonly { readonly name: string; readonly make: Maker }[] = [
  { name: "image", make: makeImage },
  { name: "command line", make: makeCommandLine },
  { name: "manifests", make: makeManifests },
  { name: "charts", make: makeCharts },
  { name: "OLM bundle and catalogue", make: makeOlm },
  { name: "Timoni modules", make: makeTimoni },
  { name: "Terraform module", make: makeTerraform },
  { name: "npm packages", make: makeNpm },
];

/** The image for all platforms in one file, and the bills of materials beside it, which are in it too. */
async function makeImage(release: Release): Promise<readonly ReleasedImage[]> {
  const { work, output, version } = release;
  const { stdout } = await run(process.execPath, ["scripts/build-image.ts", "--no-rootfs", `--out=${work}`], {
    cwd: root,
  });
  const digest = /^image {2}(sha256:[0-9a-f]{64})$/m.exec(stdout)?.[1];
  if (digest === undefined) throw new Error(`Cannot read the digest of the image that was built:\n${stdout}`);
  const file = `flux-operator-image-${version}.tar`;
  await writeArchive(release, file, await filesIn(join(work, "image")));
  for (const { architecture } of platforms) {
    const sbom = `linux-${architecture}.cdx.json`;
    await copyFile(join(work, "sbom", sbom), join(output, `flux-operator-image-${version}-${sbom}`));
  }
  return [{ reference: image, digest, file }];
}

/** The CLI as it is in the image, for machines that have Node. */
async function makeCommandLine(release: Release): Promise<readonly ReleasedImage[]> {
  const folder = `flux-operator-cli-${release.version}`;
  const license = await readFile(join(root, "LICENSE"), "utf8");
  const files = await appFiles(join(release.work, "bundle"), license, `${folder}/lib`);
  const launcher = await readFile(join(import.meta.dirname, "flux-operator.sh"));
  const path = `${folder}/bin/flux-operator`;
  await writeArchive(release, `${folder}.tar.gz`, [...files, { kind: "file", path, content: launcher, mode: 0o755 }]);
  return [];
}

/** What is applied by hand as single files, and the kustomizations in an archive, since they refer to each other. */
async function makeManifests(release: Release): Promise<readonly ReleasedImage[]> {
  for (const name of ["install.yaml", "instance.yaml", "crds.yaml"])
    await copyFile(join(packaging, "yaml", name), join(release.output, name));
  const folder = `flux-operator-manifests-${release.version}`;
  const parts = ["yaml", "external-rbac"].map((name) => filesIn(join(packaging, name), `${folder}/${name}/`));
  await writeArchive(release, `${folder}.tar.gz`, (await Promise.all(parts)).flat());
  return [];
}

/** As `helm package` names them. */
async function makeCharts(release: Release): Promise<readonly ReleasedImage[]> {
  for (const { name } of charts) {
    const files = await filesIn(join(packaging, "charts", name), `${name}/`);
    await writeArchive(release, `${name}-${release.version}.tgz`, files);
  }
  return [];
}

/** The files of packaging/olm with images by digest, and the images of both. */
async function makeOlm(release: Release, images: readonly ReleasedImage[]): Promise<readonly ReleasedImage[]> {
  const operator = images.find(({ reference }) => reference === image);
  if (operator === undefined) throw new Error("Cannot make the OLM bundle before the image that it names");
  const installed = parseKubeYamlDocuments(await readFile(join(packaging, "yaml/install.yaml"), "utf8"));
  const values = bundleFiles(installed as readonly KubeObject[], byDigest(operator));
  const bundle = new Map([...values].map(([path, value]) => [path, formatYaml(value)]));
  const about = {
    title: operatorName,
    description: "Installs Flux operator by the Operator Lifecycle Manager",
    version: release.version,
    revision: release.commit,
    created: timeOf(release.created),
  };
  const bundled = await packImage(release, { name: "bundle", reference: bundleImage }, (folder) =>
    writeBundleImage(folder, bundle, about),
  );
  const csv = [...values.values()][0] as KubeObject;
  const documents = catalogDocuments(csv, byDigest(bundled)).map((document) => formatYaml(document));
  const catalog = new Map([[`${operatorName}/catalog.yaml`, documents.join("---\n")]]);
  const catalogued = await packImage(release, { name: "catalog", reference: catalogImage }, (folder) =>
    writeCatalogImage(folder, catalog, about),
  );
  const folder = `flux-operator-olm-${release.version}`;
  await writeArchive(release, `${folder}.tar.gz`, [
    ...[...bundle].map(([path, text]) => textFile(`${folder}/bundle/${path}`, text)),
    ...[...catalog].map(([path, text]) => textFile(`${folder}/catalog/${path}`, text)),
    textFile(`${folder}/bundle.Dockerfile`, await readFile(join(packaging, "olm/bundle.Dockerfile"), "utf8")),
  ]);
  return [bundled, catalogued];
}

/** Has an image written as a layout, and packs that into a file of the release. */
async function packImage(
  release: Release,
  { name, reference }: { readonly name: string; readonly reference: string },
  write: (folder: string) => Promise<string>,
): Promise<ReleasedImage> {
  const layout = join(release.work, name);
  await mkdir(layout, { recursive: true });
  const digest = await write(layout);
  const file = `flux-operator-${name}-image-${release.version}.tar`;
  await writeArchive(release, file, await filesIn(layout));
  return { reference, digest, file };
}

/** An OCI artifact for each, which Timoni itself would package as the same bytes. */
async function makeTimoni(release: Release): Promise<readonly ReleasedImage[]> {
  const { version, commit, created } = release;
  const modules: ReleasedImage[] = [];
  for (const module of timoniModules) {
    const { name, content, digest } = await packageModule(module, {
      version,
      revision: commit,
      created: timeOf(created),
    });
    const file = `timoni-${name}`;
    await writeFile(join(release.output, file), content);
    modules.push({ reference: `${publishedPath}/modules/${module}:${version}`, digest, file });
  }
  return modules;
}

async function makeTerraform({ output }: Release): Promise<readonly ReleasedImage[]> {
  await writeFile(join(output, archiveName), await moduleArchive());
  return [];
}

async function makeNpm({ output }: Release): Promise<readonly ReleasedImage[]> {
  await packNpmPackages(output, new AbortController().signal);
  return [];
}

function timeOf(created: Date): string {
  return created.toISOString().replace(".000Z", "Z");
}

function byDigest({ reference, digest }: ReleasedImage): string {
  return `${reference}@${digest}`;
}
