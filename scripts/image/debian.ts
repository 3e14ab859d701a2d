import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createGunzip } from "node:zlib";
import { Readable } from "node:stream";
import { extract } from "tar-stream";
import xz from "xz-decompress";
import { cacheFolder } from "../cache-folder.ts";
import { fromUrl, pinnedFile, type Source } from "./pinned-file.ts";
import type { ImageFile } from "./image-file.ts";

/** A package of Debian, pinned in `packaging/image/debian.json`. */
export type DebianPackage = {
  readonly name: string;
  readonly version: string;
  /** The source package, by which advisories of Debian name it. */
  readonly source: string;
  readonly architecture: string;
  /** Below the mirror's root: "debian/pool/main/...". */
  readonly path: string;
  readonly sha256: string;
};

const pins = join(import.meta.dirname, "../../packaging/image/debian.json");

/** The pinned packages of an architecture ("amd64", "arm64"), by name. */
export function debianPackages(architecture: string): readonly DebianPackage[] {
  return pinned().packages.filter((one) => one.architecture === architecture);
}

type Pinned = { readonly pinned: string; readonly packages: readonly DebianPackage[] };

function pinned(): Pinned {
  return JSON.parse(readFileSync(pins, "utf8")) as Pinned;
}

/** What a package installs, and its own description (`control`). */
export type Unpacked = { readonly files: readonly ImageFile[]; readonly control: string };

/** Where a file of Debian's archives is. Mirrors keep a version until the next one; the snapshots keep all, by day. */
export function debianSources(path: string): readonly Source[] {
  const [archive = "", ...rest] = path.split("/");
  const day = `${pinned().pinned.replaceAll("-", "")}T000000Z`;
  return [
    fromUrl(`http://deb.debian.org/${path}`),
    fromUrl(`http://snapshot.debian.org/archive/${archive}/${day}/${rest.join("/")}`),
  ];
}

/** Downloads a package, or takes it from the cache, and unpacks it in memory. Throws when no archive has it with the pinned checksum. */
export async function unpackDebian({ name, version, architecture, path, sha256 }: DebianPackage): Promise<Unpacked> {
  const file = path.split("/").at(-1) ?? name;
  const content = await pinnedFile(
    {
      name: `Debian package ${name} ${version} (${architecture})`,
      digest: `sha256:${sha256}`,
      sources: debianSources(path),
    },
    join(cacheFolder(), "debian", file),
  );
  const members = readAr(content);
  const files = await untarMember(members, "data.tar");
  const control = (await untarMember(members, "control.tar")).find((entry) => entry.path === "control");
  if (control?.kind !== "file") throw new Error(`${file} has no control file`);
  return { files, control: Buffer.from(control.content).toString("utf8") };
}

/** Members of an ar(5) archive by name. */
function readAr(archive: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const text = (start: number, length: number): string =>
    Buffer.from(archive.buffer, archive.byteOffset + start, length)
      .toString("latin1")
      .trim();
  const members = new Map<string, Uint8Array>();
  for (let at = 8; at + 60 <= archive.length;) {
    const size = Number(text(at + 48, 10));
    members.set(text(at, 16).replace(/\/$/, ""), archive.subarray(at + 60, at + 60 + size));
    at += 60 + size + (size % 2);
  }
  return members;
}

async function untarMember(members: ReadonlyMap<string, Uint8Array>, name: string): Promise<readonly ImageFile[]> {
  const found = [...members].find(([member]) => member.startsWith(`${name}.`));
  if (found === undefined) throw new Error(`no ${name} in the package; it has ${[...members.keys()].join(", ")}`);
  const [member, content] = found;
  const packed = Readable.from([content]);
  const unpacked = member.endsWith(".gz")
    ? packed.pipe(createGunzip())
    : Readable.fromWeb(new xz.XzReadableStream(Readable.toWeb(packed)) as Parameters<typeof Readable.fromWeb>[0]);
  return await readTar(unpacked);
}

/** Files and symbolic links of a tar stream; paths have no leading "./". */
export async function readTar(stream: NodeJS.ReadableStream): Promise<readonly ImageFile[]> {
  const files: ImageFile[] = [];
  const entries = extract();
  stream.pipe(entries);
  stream.on("error", (error) => entries.destroy(error instanceof Error ? error : new Error(String(error))));
  for await (const entry of entries) {
    const { name, type, linkname, mode } = entry.header;
    const path = name.replace(/^\.\//, "");
    const chunks: Uint8Array[] = [];
    for await (const chunk of entry) chunks.push(chunk as Uint8Array);
    if (type === "file") files.push({ kind: "file", path, content: Buffer.concat(chunks), mode });
    if (type === "symlink") files.push({ kind: "link", path, target: linkname ?? "" });
  }
  return files;
}
