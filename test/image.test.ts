import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { zstdDecompressSync } from "node:zlib";
import { Readable } from "node:stream";
import { compareDebianVersions } from "../scripts/image/debian-version.ts";
import { readTar } from "../scripts/image/debian.ts";
import { withoutSections } from "../scripts/image/elf.ts";
import { textFile, type ImageFile } from "../scripts/image/image-file.ts";
import { operatorRun } from "../scripts/image/operator-run.ts";
import { digestOf, layerOf } from "../scripts/image/layer.ts";

for (const { older, newer } of [
  { older: "2.36-9+deb12u7", newer: "2.36-9+deb12u14" },
  { older: "20230311+deb12u1", newer: "20250419~deb12u2" },
  { older: "1.0~rc1", newer: "1.0" },
  { older: "1.0", newer: "1.0-1" },
  { older: "1.0a", newer: "1.0+" },
  { older: "9.0", newer: "1:0.1" },
]) {
  test(`compareDebianVersions() finds ${older} older than ${newer}`, () => {
    const signs = [
      compareDebianVersions(older, newer),
      compareDebianVersions(newer, older),
      compareDebianVersions(older, older),
    ];
    assert.deepEqual(signs.map(Math.sign), [-1, 1, 0]);
  });
}

const notLinux = process.platform === "linux" ? undefined : "Node is no ELF file here";
test("withoutSections() makes a program smaller that still runs", { skip: notLinux ?? false }, () => {
  const program = readFileSync(process.execPath);
  const less = withoutSections(program);
  assert.ok(less.length < program.length * 0.9, `${less.length} of ${program.length} bytes`);
  const folder = mkdtempSync(join(tmpdir(), "elf-"));
  try {
    writeFileSync(join(folder, "node"), less, { mode: 0o755 });
    const said = execFileSync(join(folder, "node"), ["-p", "process.version"], { encoding: "utf8" });
    assert.equal(said.trim(), process.version);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("withoutSections() refuses what is no such program", () =>
  assert.throws(() => withoutSections(Buffer.from("#!/bin/sh\n")), /not a 64-bit little-endian ELF file/));

const files: readonly ImageFile[] = [
  textFile("etc/passwd", "root\n"),
  { kind: "link", path: "lib/a.so", target: "a.so.1" },
  { kind: "folder", path: "tmp", mode: 0o1777 },
  { kind: "file", path: "app/run", content: Buffer.from("x"), mode: 0o755 },
];

test("layerOf() gives the same bytes whatever the order of the files, with the folders that they lie in", async () => {
  const [layer, again] = [await layerOf(files, 3), await layerOf(files.toReversed(), 3)];
  assert.equal(digestOf(layer.content), digestOf(again.content));
  const tar = zstdDecompressSync(layer.content);
  assert.equal(layer.diffId, digestOf(tar));
  const unpacked = await readTar(Readable.from([tar]));
  assert.deepEqual(
    unpacked,
    files.filter(({ kind }) => kind !== "folder").toSorted((left, right) => (left.path < right.path ? -1 : 1)),
  );
});

test("the Dockerfile starts the operator as the image that is built without an engine does", () => {
  const text = readFileSync(join(import.meta.dirname, "../packaging/image/Dockerfile"), "utf8");
  const line = (instruction: string): string => new RegExp(`^${instruction} (.*)$`, "m").exec(text)?.[1] ?? "";
  const ports = line("EXPOSE")
    .split(" ")
    .map((port): [string, object] => [`${port}/tcp`, {}]);
  assert.deepEqual(
    {
      User: line("USER"),
      Entrypoint: JSON.parse(line("ENTRYPOINT")),
      Env: line("ENV").split(" "),
      WorkingDir: line("WORKDIR"),
      ExposedPorts: Object.fromEntries(ports),
    },
    operatorRun,
  );
});
