import { cp, mkdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { build, type BuildOptions } from "esbuild";

/**
 * Writes dist/: the operator in one file, the CLI in a file and its chunks, so that a command loads only what it needs, and beside them the
 * data that both read.
 */
const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");

const common = {
  absWorkingDir: root,
  outdir: dist,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  target: "node26",
  format: "esm",
  minify: true,
  sourcemap: true,
  legalComments: "linked",
  metafile: true,
  // CommonJS libraries ask for Node's modules by `require`, which an ES module does not have.
  banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
} as const satisfies BuildOptions;

await rm(dist, { recursive: true, force: true });
await mkdir(dist);
const operator = await build({ ...common, entryPoints: { operator: "src/operator/main.ts" } });
const cli = await build({
  ...common,
  entryPoints: { "flux-operator": "src/cli/main.ts" },
  splitting: true,
  // Flat, because the data is looked for beside the file that reads it.
  chunkNames: "chunk-[hash]",
});
await cp(join(root, "src", "distribution", "data"), join(dist, "data"), { recursive: true });
const outputs = [...Object.keys(operator.metafile.outputs), ...Object.keys(cli.metafile.outputs)];
for (const file of outputs.filter((path) => path.endsWith(".mjs"))) {
  const { size } = await stat(join(root, file));
  console.log(`${file}  ${(size / 1024).toFixed(0)} KiB`);
}
