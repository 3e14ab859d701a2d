import { gzipSync } from "node:zlib";

import { paxRecord, rawEntry, rawTar, tarGzOf, tarOf } from "./tarball.ts";
import type { RawEntry } from "./tarball.ts";

export type HostileTarball = {
  readonly name: string;
  readonly tarball: Uint8Array;
  /** What the refusal says after "Cannot read the artifact: "; the start of it where it ends in "...". */
  readonly why: string;
};

const mebibyte = 1024 * 1024;

const good = { name: "good.yaml", content: "a: 1\n" };
const pax = (records: string): RawEntry => ({ name: "pax", type: "x", content: records });
const cut = (bytes: Buffer, at: number): Buffer => bytes.subarray(0, at);

/** Files below unwanted/ are not kept. */
export async function hostileTarballs(): Promise<readonly HostileTarball[]> {
  return [
    {
      name: "a path that climbs",
      tarball: rawTar([{ name: "../outside" }]),
      why: 'entry "../outside" leaves the artifact by ..',
    },
    {
      name: "a path that climbs in its middle",
      tarball: rawTar([{ name: "flux/../../outside" }]),
      why: 'entry "flux/../../outside" leaves the artifact by ..',
    },
    {
      name: "a path that ends in ..",
      tarball: rawTar([{ name: "flux/.." }]),
      why: 'entry "flux/.." leaves the artifact by ..',
    },
    {
      name: "a folder that climbs",
      tarball: rawTar([{ name: "../out/", type: "5" }]),
      why: 'entry "../out/" leaves the artifact by ..',
    },
    {
      name: "an absolute path",
      tarball: rawTar([{ name: "/etc/passwd" }]),
      why: 'entry "/etc/passwd" has an absolute path',
    },
    { name: "a drive", tarball: rawTar([{ name: "C:/x" }]), why: 'entry "C:/x" has an absolute path' },
    { name: "backslashes", tarball: rawTar([{ name: "..\\x" }]), why: 'entry "..\\\\x" has a backslash in its name' },
    {
      name: "a line break in a name",
      tarball: rawTar([{ name: "a\nb" }]),
      why: 'entry "a\\nb" has control characters in its name',
    },
    { name: "empty segments", tarball: rawTar([{ name: "a//b" }]), why: 'entry "a//b" has empty segments in its path' },
    {
      name: "a file without a name",
      tarball: rawTar([{ name: "./", type: "0", content: "x" }]),
      why: 'entry "./" has no name',
    },
    { name: "a file that is the root", tarball: rawTar([{ name: ".", content: "x" }]), why: 'entry "." has no name' },
    {
      name: "a climbing path in a pax header",
      tarball: rawTar([pax(paxRecord("path", "../../outside")), good]),
      why: 'entry "../../outside" leaves the artifact by ..',
    },
    {
      name: "a climbing path in a GNU long name",
      tarball: rawTar([{ name: "././@LongLink", type: "L", content: "../outside\0" }, good]),
      why: 'entry "../outside" leaves the artifact by ..',
    },
    {
      name: "a path for all entries in a global pax header",
      tarball: rawTar([
        { name: "g", type: "g", content: paxRecord("path", "/etc/x") },
        pax(paxRecord("mtime", "1")),
        good,
      ]),
      why: 'entry "/etc/x" has an absolute path',
    },
    {
      name: "a name with a zero byte in a pax header",
      tarball: rawTar([pax(paxRecord("path", "a\0/../b")), good]),
      why: 'entry "a\\u0000/../b" has control characters in its name',
    },
    {
      name: "a very long name",
      tarball: rawTar([pax(paxRecord("path", "a/".repeat(2_000))), good]),
      why: `entry "${"a/".repeat(100)}..." has a name longer than 1024 characters`,
    },
    {
      name: "a symbolic link out",
      tarball: rawTar([{ name: "link", type: "2", linkName: "/etc" }, { name: "link/passwd" }]),
      why: 'entry "link" is a symbolic link; artifacts may not have links',
    },
    {
      name: "a hard link out",
      tarball: rawTar([{ name: "link", type: "1", linkName: "../../etc/passwd" }]),
      why: 'entry "link" is a hard link; artifacts may not have links',
    },
    { name: "a character device", tarball: rawTar([{ name: "null", type: "3" }]), why: 'entry "null" is a device' },
    { name: "a block device", tarball: rawTar([{ name: "sda", type: "4" }]), why: 'entry "sda" is a device' },
    { name: "a named pipe", tarball: rawTar([{ name: "pipe", type: "6" }]), why: 'entry "pipe" is a named pipe' },
    {
      name: "an unknown type",
      tarball: rawTar([{ name: "x", type: "Z" }]),
      why: 'entry "x" is of a type that no artifact has',
    },
    {
      name: "an old sparse file",
      tarball: rawTar([{ name: "x", type: "S" }]),
      why: 'entry "x" is of a type that no artifact has',
    },
    {
      name: "a sparse file of pax",
      tarball: rawTar([pax(paxRecord("GNU.sparse.realsize", "1099511627776")), good]),
      why: 'entry "good.yaml" is a sparse file',
    },
    { name: "the same file twice", tarball: rawTar([good, good]), why: 'entry "good.yaml" is there twice' },
    {
      name: "the same file twice by another name",
      tarball: rawTar([good, { ...good, name: "././good.yaml" }]),
      why: 'entry "././good.yaml" is there twice',
    },
    {
      name: "entries hidden in a folder's content",
      tarball: rawTar([{ name: "d/", type: "5", content: rawEntry({ name: "../x" }) }]),
      why: 'entry "d/" is a folder with content',
    },
    {
      name: "a file that is too large",
      tarball: rawTar([{ name: "big", content: Buffer.alloc(65_537) }]),
      why: 'entry "big" is larger than 65536 bytes',
    },
    {
      name: "a file that claims a terabyte",
      tarball: rawTar([pax(paxRecord("size", "1099511627776")), good]),
      why: 'entry "good.yaml" is larger than 65536 bytes',
    },
    {
      name: "a size below zero",
      tarball: rawTar([pax(paxRecord("size", "-1")), good]),
      why: "it is no tarball, or damaged: Invalid header",
    },
    {
      name: "a size that is no number",
      tarball: rawTar([pax(paxRecord("size", "x")), good]),
      why: "it is no tarball, or damaged: Invalid header",
    },
    {
      name: "files that are too large together",
      tarball: rawTar([1, 2, 3].map((number) => ({ name: `${number}`, content: Buffer.alloc(50_000) }))),
      why: "the files needed from it are larger than 131072 bytes",
    },
    {
      name: "too many entries",
      tarball: rawTar(Array.from({ length: 101 }, (_, index) => ({ name: `d${index}/`, type: "5" }))),
      why: "it has more than 100 entries",
    },
    {
      name: "a gzip bomb in a file",
      tarball: gzipSync(rawTar([{ name: "bomb", sizeBytes: 512 * mebibyte, content: Buffer.alloc(16 * mebibyte) }])),
      why: 'entry "bomb" is larger than 65536 bytes',
    },
    {
      name: "a gzip bomb of zeros",
      tarball: gzipSync(Buffer.alloc(64 * mebibyte)),
      why: "it has more headers or padding than its entries need",
    },
    {
      name: "a gzip bomb of small files",
      tarball: gzipSync(
        rawTar(
          Array.from({ length: 90 }, (_, index) => ({ name: `unwanted/${index}`, content: Buffer.alloc(60_000) })),
        ),
      ),
      why: "it unpacks to more than 1048576 bytes",
    },
    {
      name: "a gzip bomb of extended headers",
      tarball: gzipSync(rawTar([...Array.from({ length: 50 }, () => pax(paxRecord("a", "b").repeat(2_000))), good])),
      why: "it has more headers or padding than its entries need",
    },
    {
      name: "an extended header without end",
      tarball: gzipSync(rawTar([pax(paxRecord("comment", "x".repeat(3 * mebibyte))), good])),
      why: "it has more headers or padding than its entries need",
    },
    {
      name: "a wrong checksum",
      tarball: rawTar([{ ...good, checksum: "wrong" }]),
      why: "it is no tarball, or damaged: Invalid tar header...",
    },
    {
      name: "an end in a header",
      tarball: cut(rawTar([good]), 300),
      why: "it is no tarball, or damaged: Unexpected end of data",
    },
    {
      name: "an end in a file",
      tarball: cut(rawTar([{ name: "x", content: Buffer.alloc(3_000) }]), 2_000),
      why: "it is no tarball, or damaged: Unexpected end of data",
    },
    { name: "an end in gzip", tarball: cut(await tarGzOf({ a: "b" }), 60), why: "it is damaged gzip (Z_BUF_ERROR)" },
    {
      name: "damage in gzip",
      tarball: flipped(await tarGzOf({ a: "b".repeat(500) }), 30),
      why: "it is damaged gzip (Z_DATA_ERROR)",
    },
    {
      name: "a wrong checksum in gzip",
      tarball: flipped(await tarGzOf({ a: "b" }), -8),
      why: "it is damaged gzip (Z_DATA_ERROR)",
    },
    {
      name: "zstd",
      tarball: Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0]),
      why: "it is compressed with zstd; compress it with gzip",
    },
    {
      name: "HTML",
      tarball: Buffer.from(`<html>${" ".repeat(600)}</html>`),
      why: "it is no tarball, or damaged: Invalid tar header...",
    },
    { name: "nothing", tarball: Buffer.alloc(0), why: "it is an empty tarball" },
    { name: "an empty tarball", tarball: await tarOf({}), why: "it is an empty tarball" },
    { name: "gzip of nothing", tarball: gzipSync(""), why: "it is an empty tarball" },
    {
      name: "gzip inside gzip",
      tarball: gzipSync(gzipSync(Buffer.alloc(1024))),
      why: "it is no tarball, or damaged: Unexpected end of data",
    },
    {
      name: "a tarball that is too large",
      tarball: Buffer.alloc(mebibyte + 1),
      why: "it is larger than 1048576 bytes",
    },
  ];
}

function flipped(bytes: Buffer, at: number): Buffer {
  const damaged = Buffer.from(bytes);
  const index = at < 0 ? damaged.length + at : at;
  damaged[index] = (damaged[index] ?? 0) ^ 0xff;
  return damaged;
}
