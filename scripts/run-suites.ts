import { readdirSync } from "node:fs";
import { join } from "node:path";
import { runTestFiles } from "./run-test-files.ts";

type Suites = {
  readonly folders: readonly string[];
  /** What takes longest starts first, so that nothing long is left alone at the end. All others follow in the order of the folders. */
  readonly longest: readonly string[];
  /**
   * Some three times what the longest file takes. It ends what hangs; what a test waits for has a limit of its own, of a minute or two,
   * and a message that says what that was.
   */
  readonly timeoutMs: number;
};

const suites = {
  integration: {
    folders: ["test/integration", "test/distribution", "test/conformance"],
    longest: [
      "test/integration/uninstall-obstacles.test.ts",
      "test/integration/rollback.test.ts",
      "test/integration/preflight.test.ts",
      "test/integration/drift.test.ts",
      "test/integration/adopted-states.test.ts",
      "test/integration/migration.test.ts",
    ],
    timeoutMs: 420_000,
  },
  long: {
    folders: ["test/long", "test/conformance"],
    longest: [
      // One file at a time has the node, so those that need it are not left to the end.
      "test/long/node-changes.test.ts",
      "test/long/crash-upgrade.test.ts",
      "test/long/release.test.ts",
      "test/long/image.test.ts",
      "test/long/node.test.ts",
      "test/long/docs-run.test.ts",
      "test/long/real-flux.test.ts",
      "test/long/crash-uninstall.test.ts",
      "test/conformance/kustomize.test.ts",
    ],
    timeoutMs: 1_200_000,
  },
  extra: { folders: ["test/extra"], longest: [], timeoutMs: 1_200_000 },
} as const satisfies { readonly [name: string]: Suites };

const root = join(import.meta.dirname, "..");
const name = process.argv[2];
if (name !== "integration" && name !== "long" && name !== "extra")
  throw new Error(`Name the suites to run: integration, long or extra, not ${name}`);
const { folders, longest, timeoutMs } = suites[name];
const found = folders.flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => `${folder}/${name}`),
);
await runTestFiles({ files: [...new Set([...longest, ...found])], timeoutMs });
