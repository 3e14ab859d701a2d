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
import { fipsOpensslConf } from "../scripts/image/fips-conf.ts";
import { fipsFiles } from "../scripts/image/fips-files.ts";
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

test("docs/fips.md has the configuration of OpenSSL that the FIPS variant has", () => {
  const text = readFileSync(join(import.meta.dirname, "../docs/fips.md"), "utf8");
  assert.equal(/^```ini\n(.*?)^```$/ms.exec(text)?.[1], fipsOpensslConf("/fips"));
});

/** The head of a 64-bit ELF file for a machine (elf(5)). */
function elfFor(machine: number): Buffer {
  const head = Buffer.alloc(64);
  head.write("\x7fELF", "latin1");
  head.writeUInt16LE(machine, 18);
  return head;
}

const installed = "[fips_sect]\nactivate = 1\nmodule-mac = 00:11\n";
const remedy = "run openssl fipsinstall -self_test_onload -module fips.so -out fipsmodule.cnf";
for (const { name, module, conf, want } of [
  { name: "takes a module for amd64", module: elfFor(0x3e), conf: installed, want: "amd64" },
  { name: "takes a module for arm64", module: elfFor(0xb7), conf: installed, want: "arm64" },
  {
    name: "refuses a module for another platform",
    module: elfFor(0xf3),
    conf: installed,
    want: "Cannot use FOLDER/fips.so: it is no module for amd64 or arm64",
  },
  {
    name: "refuses what is no module",
    module: Buffer.from("x"),
    conf: installed,
    want: "Cannot use FOLDER/fips.so: it is no module for amd64 or arm64",
  },
  {
    name: "refuses a module that was not installed",
    module: elfFor(0x3e),
    conf: "[fips_sect]\n",
    want: `Cannot use FOLDER/fipsmodule.cnf: it has no module-mac; ${remedy}`,
  },
  {
    name: "refuses a module under another name",
    module: elfFor(0x3e),
    conf: installed.replace("fips_sect", "other"),
    want: `Cannot use FOLDER/fipsmodule.cnf: it has no section fips_sect; ${remedy}`,
  },
  {
    name: "refuses self-tests that another machine has passed",
    module: elfFor(0x3e),
    conf: `${installed}install-status = INSTALL_SELF_TEST_KATS_RUN\n`,
    want: `Cannot use FOLDER/fipsmodule.cnf: it says that the self-tests have passed, which holds for one machine only; ${remedy}`,
  },
])
  test(`fipsFiles() ${name}`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "fips-files-"));
    try {
      writeFileSync(join(folder, "fips.so"), module);
      writeFileSync(join(folder, "fipsmodule.cnf"), conf);
      const got = await fipsFiles(folder).then(
        ({ architecture }) => architecture,
        (error: Error) => error.message.replace(folder, "FOLDER"),
      );
      assert.equal(got, want);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
