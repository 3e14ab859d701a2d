import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { errorMessage } from "../../src/std/errors.ts";

/** A file of which the digest is known. `digest` is "sha256:<hex>" or "sha512-<base64>", as npm writes it. */
export type PinnedFile = {
  readonly name: string;
  readonly digest: string;
  /** Where it can be had: asked in this order. */
  readonly sources: readonly Source[];
};

/** One way to get a file; `from` names it in messages. */
export type Source = { readonly from: string; readonly read: () => Promise<Uint8Array> };

/** The file at a URL. */
export function fromUrl(url: string): Source {
  return {
    from: url,
    read: async () => {
      const response = await fetch(url, { signal: AbortSignal.timeout(10 * 60_000) });
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      return new Uint8Array(await response.arrayBuffer());
    },
  };
}

/**
 * The content of the file, from `cached` where that has it. What a source gives is checked before it is kept; one that cannot be reached, or gives
 * something else, is told, and the next one is asked. Throws when none has it.
 */
export async function pinnedFile({ name, digest, sources }: PinnedFile, cached: string): Promise<Uint8Array> {
  if (existsSync(cached)) {
    const content = await readFile(cached);
    if (isOf(content, digest)) return content;
  }
  const failures: string[] = [];
  for (const { from, read } of sources) {
    try {
      const content = await read();
      if (!isOf(content, digest)) throw new Error(`what it gives has not the digest ${digest}`);
      await mkdir(dirname(cached), { recursive: true });
      await writeFile(`${cached}.${process.pid}`, content);
      await rename(`${cached}.${process.pid}`, cached);
      return content;
    } catch (error) {
      failures.push(`${from}: ${errorMessage(error)}`);
      console.error(`No ${name} from ${failures.at(-1)}`);
    }
  }
  throw new Error(`Cannot get ${name}: ${failures.join("; ")}`);
}

function isOf(content: Uint8Array, digest: string): boolean {
  const [algorithm = "", wanted] = digest.split(/[:-]/, 2);
  const encoding = digest.includes(":") ? "hex" : "base64";
  return createHash(algorithm).update(content).digest(encoding) === wanted;
}
