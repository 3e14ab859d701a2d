import { debianPackages, unpackDebian } from "./debian.ts";
import { withoutSections } from "./elf.ts";
import { filesIn, textFile, type ImageFile } from "./image-file.ts";
import { nodeProgram } from "./node-program.ts";
import type { Platform } from "./platform.ts";

/** The user that the image runs as, the one that distroless images have made common. */
export const userId = 65532;

/** What Node links, and the loader; all else of these packages stays out. */
const libraries =
  /^(usr\/)?lib(64)?\/([\w-]+\/)?(ld-linux[\w-]*\.so\.\d|lib(c|m|dl|pthread|rt|resolv|gcc_s|stdc\+\+|atomic)\.so\.\d+(\.\d+)*)$/;

const certificates = /^usr\/share\/ca-certificates\/mozilla\/[^/]+\.crt$/;

/** What changes only with Node or Debian, and is a layer of its own: libraries, certificates, user, and Node without its symbols. */
export async function baseFiles(platform: Platform): Promise<readonly ImageFile[]> {
  const packages = await Promise.all(
    debianPackages(platform.architecture).map(async (one) => {
      const { files, control } = await unpackDebian(one);
      return { name: one.name, files, control };
    }),
  );
  const all = packages.flatMap(({ files }) => files);
  const copyrights = packages.flatMap(({ name, files }) =>
    files.filter(({ path }) => path === `usr/share/doc/${name}/copyright`),
  );
  // Scanners of images know by these which packages are there, as in distroless images.
  const installed = packages.map(({ name, control }) => textFile(`var/lib/dpkg/status.d/${name}`, control));
  return [
    ...all.filter(({ path }) => libraries.test(path)),
    ...copyrights,
    ...installed,
    bundleOf(all.filter(({ path }) => certificates.test(path))),
    { kind: "file", path: "nodejs/bin/node", content: withoutSections(await nodeProgram(platform)), mode: 0o755 },
    { kind: "folder", path: "tmp", mode: 0o1777 },
    ...Object.entries(texts).map(([path, text]) => textFile(path, text)),
  ];
}

const texts: { readonly [path: string]: string } = {
  "etc/passwd": `root:x:0:0:root:/:/sbin/nologin\nnonroot:x:${userId}:${userId}:nonroot:/tmp:/sbin/nologin\n`,
  "etc/group": `root:x:0:\nnonroot:x:${userId}:\n`,
  "etc/nsswitch.conf": "hosts: files dns\n",
  "etc/os-release":
    'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nID=debian\n',
};

/** All certificates in one file, where OpenSSL and Go look for them, so that a mounted one replaces it. */
function bundleOf(files: readonly ImageFile[]): ImageFile {
  const sorted = files.toSorted((left, right) => (left.path < right.path ? -1 : 1));
  const text = sorted.map((file) => (file.kind === "file" ? Buffer.from(file.content).toString("utf8").trimEnd() : ""));
  return textFile("etc/ssl/certs/ca-certificates.crt", `${text.join("\n")}\n`);
}

/** The operator and the CLI as `npm run build` writes them to `dist`, without source maps, in `folder`. */
export async function appFiles(dist: string, license: string, folder = "app"): Promise<readonly ImageFile[]> {
  const app = (await filesIn(dist, `${folder}/`)).filter(({ path }) => !path.endsWith(".map"));
  return [...app, textFile(`${folder}/LICENSE`, license)];
}
