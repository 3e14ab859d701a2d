import { cp, mkdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";

/** Writes dist/: one file for the operator, one for the CLI, and the data that both read beside them. */
const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");

await rm(dist, { recursive: true, force: true });
await mkdir(dist);
const entries = { operator: "src/operator/main.ts", "flux-operator": "src/cli/main.ts" };
const result = await build({
  absWorkingDir: root,
  entryPoints: entries,
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
});
await cp(join(root, "src", "distribution", "data"), join(dist, "data"), { recursive: true });
for (const file of Object.keys(result.metafile.outputs).filter((path) => path.endsWith(".mjs"))) {
  const { size } = await stat(join(root, file));
  console.log(`${file}  ${(size / 1024).toFixed(0)} KiB`);
}
