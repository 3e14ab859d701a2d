import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readSources } from "./support/import-doors.ts";

/** Words that nobody who is on call understands at night, and what stands in their place. Found in messages, events and documents. */
const avoided: readonly { readonly words: RegExp; readonly instead: string }[] = [
  {
    words: /a newer reconciliation was requested/i,
    instead: "the FluxInstance has changed and is being reconciled again",
  },
  { words: /cannot go on before/i, instead: "waiting for these objects to be deleted" },
  { words: /without a way back/i, instead: "because it could not be rolled back" },
  { words: /to one new value/i, instead: "to the same new value" },
  { words: /take workloads along/i, instead: "delete the workloads that it manages" },
  { words: /which the inventory does not list/i, instead: "is not in its inventory" },
  { words: /so that nothing can be repaired/i, instead: "so drift cannot be repaired" },
  { words: /in its new edition/i, instead: "a rebuilt Flux (same version, other images)" },
  { words: /as things are it will fail/i, instead: "the API server would reject it" },
  { words: /runs in its place/i, instead: "was restored" },
  { words: /would go on with that/i, instead: "would finish these deletions" },
  { words: /neither wants nor remembers/i, instead: "neither in its spec nor in its inventory" },
  { words: /take them out of it/i, instead: "remove them from its source" },
  { words: /previous owners have set go\b/i, instead: "removing fields that only previous owners had set" },
  { words: /creating anew|created anew/i, instead: "recreating, recreated" },
  { words: /writes it all the time/i, instead: "another client keeps updating it" },
  { words: /has not taken over the definition/i, instead: "does not serve the updated CRD" },
  { words: /artifact that was last pulled/i, instead: "artifact from which the running Flux was built" },
  { words: /\bput back\b|\bputting .* back\b/i, instead: "rolled back, restored" },
];

/** In messages also: name the actor, and say what is deleted. */
const avoidedInMessages: typeof avoided = [
  ...avoided,
  { words: /\b(some|no|any|every)body\b|\bwhoever\b/i, instead: "the actor's name" },
  { words: /\bdefinitions? (goes|go|is gone|are gone|stays?)\b/i, instead: "CRD" },
];

const root = join(import.meta.dirname, "..");
const documents = [
  "README.md",
  "ARCHITECTURE.md",
  "AGENTS.md",
  "CONTRIBUTING.md",
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

function found(path: string, text: string, words: typeof avoided): readonly string[] {
  return text
    .split("\n")
    .flatMap((line, index) =>
      words
        .filter((avoid) => avoid.words.test(line))
        .map((avoid) => `${path}:${index + 1}: "${avoid.words.exec(line)?.[0]}" (better: ${avoid.instead})`),
    );
}

/** Only what stands between quotes and has a space: names, keys and comments are no messages. */
function messagesOf(text: string): string {
  const code = text
    .replaceAll(/\/\*[\s\S]*?\*\//g, (comment) => comment.replaceAll(/[^\n]/g, ""))
    .replaceAll(/\/\/.*/g, "");
  return code.replaceAll(/"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`|[^"`\n]/g, (part) =>
    /^["`]/.test(part) && part.includes(" ") ? part : "",
  );
}

test("no message says what has a better word", () => {
  const sources = readSources(root).filter(({ path }) => !path.endsWith(".test.ts"));
  assert.deepEqual(
    sources.flatMap(({ path, text }) => found(path, messagesOf(text), avoidedInMessages)),
    [],
  );
});

test("no document says what has a better word", () => {
  assert.deepEqual(
    documents.flatMap((path) => found(path, readFileSync(join(root, path), "utf8"), avoided)),
    [],
  );
});

test("what is looked for is found", () => {
  const text = 'const x = 1; // nobody\nthrow new Error("Cannot go on before somebody else is gone");\n/* whoever */';
  assert.deepEqual(
    found("x.ts", messagesOf(text), avoidedInMessages).map((line) => line.replace(/ \(.*/, "")),
    ['x.ts:2: "Cannot go on before"', 'x.ts:2: "somebody"'],
  );
});
