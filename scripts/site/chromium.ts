import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import { brotliDecompress, createGunzip } from "node:zlib";
import { cacheFolder } from "../cache-folder.ts";
import { readTar } from "../image/debian.ts";
import type { ImageFile } from "../image/image-file.ts";
import { packNpm } from "../image/node-program.ts";
import { pinnedFile } from "../image/pinned-file.ts";

const decompress = promisify(brotliDecompress);

/**
 * A Chromium without windows from npm, with the libraries and the font that a bare machine lacks. Debian's would need the packages of a desktop, and its
 * archive keeps none of its versions for long.
 */
const name = "@sparticuz/chromium@153.0.0";
const digest = "sha512-jiGWqSvPMdu4+P9TilYqAR7yEGPEHINx+lCvE/NqNO/EHYzF/x1hUiI5T6ioVIt7dEy7n88byyT0vk+dnsgQwA==";

export type Chromium = {
  readonly program: string;
  /** Variables that it has to be started with. */
  readonly env: { readonly [name: string]: string };
};

/** Why this machine cannot run it; undefined when it can. */
export function chromiumAbsent(): string | undefined {
  if (process.platform === "linux" && process.arch === "x64") return undefined;
  return `this Chromium is for linux on x64, and this is ${process.platform} on ${process.arch}`;
}

/** Downloaded and unpacked on first use, then kept in the cache. */
export async function chromium(): Promise<Chromium> {
  const folder = join(cacheFolder(), "chromium", name.split("@").at(-1) ?? "");
  const fonts = join(folder, "fonts.conf");
  if (!existsSync(folder)) await unpack(folder);
  return { program: join(folder, "chromium"), env: { LD_LIBRARY_PATH: join(folder, "lib"), FONTCONFIG_FILE: fonts } };
}

async function unpack(folder: string): Promise<void> {
  const sources = [{ from: "the npm registry", read: () => packNpm(name) }];
  const packed = await pinnedFile({ name, digest, sources }, `${folder}.tgz`);
  const files = await readTar(Readable.from([packed]).pipe(createGunzip()));
  const member = async (path: string): Promise<Uint8Array> => {
    const found = files.find((file) => file.path === `package/bin/${path}.br`);
    if (found?.kind !== "file") throw new Error(`${name} has no bin/${path}.br`);
    return await decompress(found.content);
  };
  const building = await mkdtemp(`${folder}-`);
  const program = await member("chromium");
  await writeFile(join(building, "chromium"), program, { mode: 0o755 });
  for (const archive of ["al2023.tar", "fonts.tar"])
    await writeAll(building, await readTar(Readable.from([await member(archive)])));
  const conf = `<fontconfig><dir>${folder}/fonts</dir><cachedir>${folder}/font-cache</cachedir></fontconfig>\n`;
  await writeFile(join(building, "fonts.conf"), `<?xml version="1.0"?>\n${conf}`);
  try {
    await rename(building, folder);
  } catch (error) {
    await rm(building, { recursive: true });
    // Another process may have unpacked the same meanwhile.
    if (!existsSync(folder)) throw error;
  }
}

async function writeAll(folder: string, files: readonly ImageFile[]): Promise<void> {
  for (const file of files) {
    if (file.kind !== "file") continue;
    await mkdir(join(folder, file.path, ".."), { recursive: true });
    await writeFile(join(folder, file.path), file.content);
  }
}
