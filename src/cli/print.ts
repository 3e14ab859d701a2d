import type { JsonObject, KubeObject } from "../kube/object.ts";
import { describeObject } from "../kube/object-id.ts";
import type { Rendering } from "../render/rendering.ts";
import { ReasonedError } from "../std/errors.ts";
import type { Terminal } from "./terminal.ts";
import { yamlText } from "./yaml-text.ts";

/** The values of --output. */
export type OutputFormat = "yaml" | "json";

/** Objects under a comment that says where they come from. */
export type PrintedGroup = { readonly source: string; readonly objects: readonly KubeObject[] };

/** YAML documents separated by `---`, with the sources as comments if there are several; or one v1 List in JSON. */
export function printObjects(groups: readonly PrintedGroup[], format: OutputFormat, { stdout }: Terminal): void {
  if (format === "json") {
    const items = groups.flatMap(({ objects }) => objects);
    const list: JsonObject = { apiVersion: "v1", kind: "List", metadata: {}, items };
    stdout.write(`${JSON.stringify(list, null, 2)}\n`);
    return;
  }
  const documents = groups.flatMap(({ source, objects }) =>
    objects.map((object, index) => {
      const heading = index === 0 && groups.length > 1 ? `# Source: ${source}\n` : "";
      return `---\n${heading}${yamlText(object)}`;
    }),
  );
  stdout.write(documents.join(""));
}

/** Prints on stderr what users want to know about a rendering beside its objects: unpinned images, and what patches have matched. */
export function printReport(source: string, rendering: Rendering, { stderr }: Pick<Terminal, "stderr">): void {
  const { unpinned, patches } = rendering;
  if (unpinned !== undefined) {
    const components = unpinned.components.join(", ");
    stderr.write(`warning: ${source}: images are not pinned by digest: ${unpinned.reason} (${components})\n`);
  }
  for (const { index, matched, why } of patches) {
    const patch = `${source}: spec.kustomize.patches[${index}]`;
    const names = matched.map(describeObject).toSorted();
    stderr.write(
      names.length === 0
        ? `warning: ${patch} matched no object${why === undefined ? "" : `, because ${why}`}: correct its target, or set spec.kustomize.strict to refuse such patches\n`
        : `${patch} matched ${plural(names.length, "object")}: ${names.join(", ")}\n`,
    );
  }
}

/** Prints warnings on stderr. */
export function printWarnings(source: string, warnings: readonly string[], { stderr }: Pick<Terminal, "stderr">): void {
  for (const warning of warnings) stderr.write(`warning: ${source}: ${warning}\n`);
}

/** How many errors are printed: a user who may not read one object often may not read any. */
const maxErrors = 10;

/**
 * Prints an error on stderr. A ReasonedError is for the user to solve, and only its message is printed; any other is a bug and is printed with
 * its stack.
 */
export function printError(error: unknown, { stderr }: Pick<Terminal, "stderr">): void {
  const errors: readonly unknown[] = error instanceof AggregateError ? error.errors : [error];
  for (const one of errors.slice(0, maxErrors)) stderr.write(`error: ${wordsOf(one)}\n`);
  if (errors.length > maxErrors) stderr.write(`error: and ${errors.length - maxErrors} more of this kind\n`);
}

function wordsOf(error: unknown): string {
  if (error instanceof ReasonedError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** "1 object", "2 objects". */
export function plural(count: number, noun: string): string {
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}

/** Lines of columns as wide as their widest cell. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, at) => cell.padEnd(widths[at] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}
