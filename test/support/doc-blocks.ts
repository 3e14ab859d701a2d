/** A block of code in a document, with the comment above it that says what the tests do with it. */
export type DocBlock = {
  readonly language: string;
  readonly content: string;
  /** Of its first line, from 1. */
  readonly line: number;
  readonly marker: DocMarker | undefined;
};

/**
 * `<!-- run: WORLD -->`: run in a world that is made for it. `<!-- run -->`: run in what the block before has left. `<!-- not run: WHY -->`.
 * `<!-- file: NAME -->`: what follows is that file for the blocks after it.
 */
export type DocMarker =
  | { readonly kind: "run"; readonly world: string | undefined }
  | { readonly kind: "not run"; readonly why: string }
  | { readonly kind: "file"; readonly name: string };

const block = /(?:^ *<!-- ([^\n]*) -->\n)?^( *)```(\w+)\n([\s\S]*?)^ *```$/gm;

/** The blocks of a document that name a language. Throws for a comment above a block that says nothing of the above. */
export function docBlocks(text: string): readonly DocBlock[] {
  return [...text.matchAll(block)].map((match) => {
    const [, comment, indent = "", language = "", content = ""] = match;
    const line = text.slice(0, match.index).split("\n").length + (comment === undefined ? 0 : 1);
    const lines = content.split("\n").map((each) => (each.startsWith(indent) ? each.slice(indent.length) : each));
    return { language, content: lines.join("\n"), line, marker: comment === undefined ? undefined : markerOf(comment) };
  });
}

function markerOf(comment: string): DocMarker {
  const [, kind = "", rest = ""] = /^(run|not run|file)(?:: (.+))?$/.exec(comment) ?? [];
  if (kind === "run") return { kind, world: rest === "" ? undefined : rest };
  if (kind === "not run" && rest !== "") return { kind, why: rest };
  if (kind === "file" && rest !== "") return { kind, name: rest };
  throw new Error(`"<!-- ${comment} -->" above a block: write run, run: WORLD, not run: WHY or file: NAME`);
}

/** Whether a shell reads it. */
export function isShell({ language }: DocBlock): boolean {
  return ["sh", "shell", "bash", "console"].includes(language);
}

/** What may have happened before a document's commands; `doc-world.ts` makes it so. */
export const docWorlds = [
  "an empty cluster",
  "a cluster with the operator",
  "a cluster with Flux",
  "a cluster after flux install",
  "a cluster after flux bootstrap",
  "a cluster after helm install flux2",
  "a cluster after the Go operator",
] as const;
