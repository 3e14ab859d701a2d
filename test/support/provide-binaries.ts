/** A process that provides binaries, for tests of what happens to two at once or to one that is killed. Takes ProvideOptions as JSON. */
import { provideBinaries } from "../../scripts/control-plane/binaries.ts";
import { lineProgress } from "../../scripts/control-plane/progress.ts";

const options: Omit<Parameters<typeof provideBinaries>[0], "progress"> = JSON.parse(process.argv[2] ?? "{}");
const progress = lineProgress((line) => process.stderr.write(`${line}\n`));
try {
  process.stdout.write(JSON.stringify(await provideBinaries({ ...options, progress })));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
