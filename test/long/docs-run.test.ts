import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readDocuments } from "../../scripts/site/pages.ts";
import { docBlocks, isShell, type DocBlock } from "../support/doc-blocks.ts";
import { startDocWorld, type DocWorld } from "../support/doc-world.ts";

let world: DocWorld;

before(async () => {
  world = await startDocWorld();
});
after(async () => {
  await world[Symbol.asyncDispose]();
});

async function follow({ marker, content, language }: DocBlock): Promise<void> {
  if (marker?.kind === "file") await world.write(marker.name, content);
  if (marker?.kind !== "run") return;
  if (marker.world !== undefined) await world.become(marker.world);
  for (const [name, text] of files) await world.write(name, text);
  await world.shell(language === "console" ? content.replaceAll(/^(?!\$ ).*\n|^\$ /gm, "") : content);
}

/** A file stays for the blocks that follow, also in another world. */
const files = new Map<string, string>();

for (const { path, text } of readDocuments(join(import.meta.dirname, "../.."))) {
  const blocks = docBlocks(text).filter(
    (block) => block.marker?.kind === "file" || (isShell(block) && block.marker?.kind === "run"),
  );
  if (blocks.every(({ marker }) => marker?.kind !== "run")) continue;
  test(`what ${path} shows can be done`, async (context) => {
    files.clear();
    for (const block of blocks) {
      if (block.marker?.kind === "file") {
        files.set(block.marker.name, block.content);
        continue;
      }
      await context.test(`line ${block.line}: ${block.content.split("\n")[0]}`, () => follow(block));
    }
    // A pod of kwok ends at once, and its process a moment later: the guide may have taken the right to give the lease back meanwhile.
    const refused = (await world.forbidden()).filter(
      (refusal) => !/^update \S+\/leases\/flux-operator\?/.test(refusal),
    );
    assert.deepEqual(refused, []);
  });
}
