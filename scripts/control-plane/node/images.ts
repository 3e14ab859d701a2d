import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { goTool, type GoToolName } from "../../go-tool.ts";
import type { ImageFile } from "../../image/image-file.ts";
import { layerOf, levels } from "../../image/layer.ts";
import { writeLayout, type RunConfig } from "../../image/layout.ts";

const run = promisify(execFile);

/** An image of one program that was built here, and needs nothing else but `more`. */
export type ProgramImage = {
  readonly program: GoToolName;
  /** "10.250.0.1:5000/coredns:1" */
  readonly reference: string;
  readonly run?: Partial<RunConfig>;
  readonly more?: readonly ImageFile[];
};

const architecture = process.arch === "arm64" ? "arm64" : "amd64";

/** Pushes the image to a registry without TLS. */
export async function pushProgram(image: ProgramImage, signal: AbortSignal): Promise<void> {
  const { program, more = [] } = image;
  const content = await readFile(await goTool(program, signal));
  const files: readonly ImageFile[] = [{ kind: "file", path: program, content, mode: 0o755 }, ...more];
  const layers = [{ ...(await layerOf(files, levels.try)), comment: program }];
  const start: RunConfig = { User: "65534:65534", Entrypoint: [`/${program}`], ...image.run };
  const about = {
    title: program,
    description: "built for tests",
    version: "0",
    revision: "",
    created: "1970-01-01T00:00:00Z",
  };
  const folder = await mkdtemp(join(tmpdir(), "image-"));
  try {
    await writeLayout(folder, [{ platform: { architecture }, layers, run: start }], about);
    await pushLayout(folder, image.reference, signal);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Pushes an OCI layout with all that its index names to a registry without TLS. */
export async function pushLayout(folder: string, reference: string, signal: AbortSignal): Promise<void> {
  await run(await goTool("crane", signal), ["push", folder, reference, "--insecure"], { signal });
}
