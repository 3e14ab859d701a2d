import { cp, mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { build, type Metafile } from "esbuild";

const root = join(import.meta.dirname, "..");

/**
 * Writes the operator and the CLI into an empty or absent folder, the chunks that they share or load only where they need them, and the
 * data that both read. The bytes are the same in every folder: names of chunks depend on where source maps say that sources are, so for esbuild it is
 * always dist/, and so it is in the answer.
 */
export async function writeBundle(folder: string): Promise<Metafile> {
  await mkdir(folder, { recursive: true });
  const { metafile, outputFiles } = await build({
    absWorkingDir: root,
    outdir: join(root, "dist"),
    write: false,
    outExtension: { ".js": ".mjs" },
    entryPoints: { operator: "src/operator/main.ts", "flux-operator": "src/cli/main.ts" },
    bundle: true,
    platform: "node",
    // The same bytes where node_modules is a link to another checkout's.
    preserveSymlinks: true,
    target: "node26",
    format: "esm",
    // In one file, what lazily imported parts import of Node would be loaded at once, and Node's own copy of undici with it.
    splitting: true,
    // Flat, because the data is looked for beside the file that reads it.
    chunkNames: "chunk-[hash]",
    minify: true,
    sourcemap: true,
    legalComments: "linked",
    metafile: true,
    // CommonJS libraries ask for Node's modules by `require`, which an ES module does not have.
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
  });
  await Promise.all(outputFiles.map(({ path, contents }) => writeFile(join(folder, basename(path)), contents)));
  await cp(join(root, "src", "distribution", "data"), join(folder, "data"), { recursive: true });
  return metafile;
}
