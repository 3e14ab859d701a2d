import { cp, mkdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";

/**
 * Writes dist/: the operator and the CLI, the chunks that they share or load only where they need them, and the data that both read.
 */
const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");

await rm(dist, { recursive: true, force: true });
await mkdir(dist);
const { metafile } = await build({
  absWorkingDir: root,
  outdir: dist,
  outExtension: { ".js": ".mjs" },
  entryPoints: { operator: "src/operator/main.ts", "flux-operator": "src/cli/main.ts" },
  bundle: true,
  platform: "node",
  target: "node26",
  format: "esm",
  // Else what is imported lazily is loaded at once, and Node's own copy of undici with it.
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
await cp(join(root, "src", "distribution", "data"), join(dist, "data"), { recursive: true });
for (const file of Object.keys(metafile.outputs).filter((path) => path.endsWith(".mjs"))) {
  const { size } = await stat(join(root, file));
  console.log(`${file}  ${(size / 1024).toFixed(0)} KiB`);
}
