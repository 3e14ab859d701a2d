import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";

/** Entries of a tarball: names with content; undefined for a folder. */
export type TarballFiles = Readonly<Record<string, string | Uint8Array | undefined>>;

/** A well-formed tarball, not compressed. */
export async function tarOf(files: TarballFiles): Promise<Buffer> {
  const packing = pack();
  for (const [name, content] of Object.entries(files)) {
    if (content === undefined) packing.entry({ name, type: "directory" });
    else packing.entry({ name }, Buffer.from(content));
  }
  packing.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of packing) if (chunk instanceof Uint8Array) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export async function tarGzOf(files: TarballFiles): Promise<Buffer> {
  return gzipSync(await tarOf(files));
}

export type RawEntry = {
  readonly name: string;
  /** One character: "0" file, "1" hard link, "2" symbolic link, "3" and "4" devices, "5" folder, "6" pipe, "x" and "g" pax headers. */
  readonly type?: string;
  readonly content?: string | Uint8Array;
  /** What the header says, where that is not the length of the content. */
  readonly sizeBytes?: number;
  readonly linkName?: string;
  readonly checksum?: "right" | "wrong";
};

/** Header and content of an entry as POSIX ustar has them, with whatever a proper tool would not write. */
export function rawEntry({
  name,
  type = "0",
  content = "",
  sizeBytes,
  linkName = "",
  checksum = "right",
}: RawEntry): Buffer {
  const body = Buffer.from(content);
  const header = Buffer.alloc(512);
  header.write(name, 0, 100);
  header.write("0000644\0", 100);
  header.write("0000000\0", 108);
  header.write("0000000\0", 116);
  header.write(`${(sizeBytes ?? body.length).toString(8).padStart(11, "0")}\0`, 124);
  header.write("00000000000\0", 136);
  header.write(" ".repeat(8), 148);
  header.write(type, 156);
  header.write(linkName, 157, 100);
  header.write("ustar\u000000", 257);
  const sum = header.reduce((total, byte) => total + byte, checksum === "right" ? 0 : 1);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return Buffer.concat([header, body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}

/** A record of a pax header: "18 path=../outside\n". */
export function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = Buffer.byteLength(rest);
  while (length !== String(length).length + Buffer.byteLength(rest))
    length = String(length).length + Buffer.byteLength(rest);
  return `${length}${rest}`;
}

/** Entries one after the other and the two empty blocks at the end. */
export function rawTar(entries: readonly RawEntry[]): Buffer {
  return Buffer.concat([...entries.map(rawEntry), Buffer.alloc(1024)]);
}
