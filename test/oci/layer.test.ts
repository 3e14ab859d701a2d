import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import { LayerError } from "../../src/oci/layer-error.ts";
import { untar } from "../../src/oci/layer.ts";
import type { Files } from "../../src/oci/layer.ts";
import { readDirectory, readTarball } from "../../src/oci/load-files.ts";
import { paxRecord, rawTar, tarGzOf, tarOf } from "../support/tarball.ts";

const signal = new AbortController().signal;
const long = `flux/${"folder/".repeat(20)}${"name".repeat(30)}.yaml`;

for (const { name, tarball, want } of [
  { name: "a gzipped tarball", tarball: await tarGzOf({ "a/b.yaml": "1", c: "" }), want: { "a/b.yaml": "1", c: "" } },
  { name: "a plain tarball", tarball: await tarOf({ "a/b.yaml": "1" }), want: { "a/b.yaml": "1" } },
  {
    name: "folders, which it leaves out",
    tarball: await tarGzOf({ "./": undefined, "a/": undefined, "a/b": "1" }),
    want: { "a/b": "1" },
  },
  { name: "names that begin with ./", tarball: await tarGzOf({ "./a/b": "1" }), want: { "a/b": "1" } },
  {
    name: "names with dots in them",
    tarball: await tarGzOf({ "..a/b..c": "1", ".hidden": "2" }),
    want: { "..a/b..c": "1", ".hidden": "2" },
  },
  {
    name: "names that need a pax header",
    tarball: await tarGzOf({ [long]: "1", "f\u{fc}r/\u{1f600}": "2" }),
    want: { [long]: "1", "f\u{fc}r/\u{1f600}": "2" },
  },
  {
    name: "the global header of git archive",
    tarball: rawTar([
      { name: "g", type: "g", content: paxRecord("comment", "0123") },
      { name: "a", content: "1" },
    ]),
    want: { a: "1" },
  },
  {
    name: "a tarball without empty blocks at its end",
    tarball: rawTar([{ name: "a", content: "1" }]).subarray(0, 1024),
    want: { a: "1" },
  },
  { name: "gzip in two members", tarball: twoMembers(await tarOf({ a: "1" })), want: { a: "1" } },
  {
    name: "files of more than one chunk",
    tarball: await tarGzOf({ a: "x".repeat(200_000), b: "y" }),
    want: { a: "x".repeat(200_000), b: "y" },
  },
]) {
  test(`untar() reads ${name}`, async () =>
    assert.deepEqual(texts(await untar(tarball, { source: "x" }, signal)), want));
}

test("untar() keeps what is wanted, and only that costs memory", async () => {
  const tarball = await tarGzOf({ a: "x".repeat(5_000), b: "1", c: "y".repeat(5_000) });
  assert.deepEqual(texts(await untar(tarball, { source: "x", keep: isB, limits: { keptBytes: 1 } }, signal)), {
    b: "1",
  });
});

test("untar() hands on what `keep` throws", async () => {
  const reading = untar(await tarGzOf({ a: "1" }), { source: "x", keep: throwing }, signal);
  await assert.rejects(reading, (error) => error === ofTheCaller);
});

test("untar() ends with the signal's reason", async () => {
  const stop = new AbortController();
  const reason = new Error("enough");
  const keep = (): boolean => {
    stop.abort(reason);
    return true;
  };
  const tarball = await tarGzOf({ a: "x".repeat(300_000), b: "y".repeat(300_000) });
  await assert.rejects(untar(tarball, { source: "x", keep }, stop.signal), (error) => error === reason);
});

for (const { name, make, want } of [
  {
    name: "files in folders, sorted",
    make: { "b/c.yaml": "1", "a.yaml": "2" },
    want: { "a.yaml": "2", "b/c.yaml": "1" },
  },
  {
    name: "a mounted ConfigMap",
    make: { "..2026/a.yaml": "1", "..data": { to: "..2026" }, "a.yaml": { to: "..data/a.yaml" } },
    want: { "a.yaml": "1" },
  },
  { name: "links to folders inside", make: { "a/b": "1", c: { to: "a" } }, want: { "a/b": "1", "c/b": "1" } },
  { name: "nothing in an empty folder", make: {}, want: {} },
]) {
  test(`readDirectory() reads ${name}`, async () => {
    await using folder = await folderWith(make);
    assert.deepEqual(texts(await readDirectory(folder.path, {}, signal)), want);
  });
}

for (const { name, make, why, limits } of [
  { name: "a link out", make: { a: { to: "/etc/hostname" } }, why: 'entry "a" is a link that leaves the folder' },
  { name: "a link to the folder above", make: { a: { to: ".." } }, why: 'entry "a" is a link that leaves the folder' },
  {
    name: "a ring of links",
    make: { "a/b": { to: "../a" } },
    why: `entry "a/${"b/".repeat(15)}b" is nested too deep, or a ring of links`,
  },
  { name: "a link to itself", make: { a: { to: "a" } }, why: /^entry "a" cannot be read: ELOOP/ },
  { name: "a link to nothing", make: { a: { to: "b" } }, why: /^entry "a" cannot be read: ENOENT/ },
  {
    name: "a file that is too large",
    make: { a: "12345" },
    limits: { fileBytes: 4 },
    why: 'entry "a" is larger than 4 bytes',
  },
  {
    name: "files that are too large together",
    make: { a: "12", b: "34" },
    limits: { keptBytes: 3 },
    why: "the files needed from it are larger than 3 bytes",
  },
  {
    name: "too many entries",
    make: { a: "", b: "", c: "" },
    limits: { entries: 2 },
    why: "it has more than 2 entries",
  },
] satisfies readonly { name: string; make: Made; why: string | RegExp; limits?: object }[]) {
  test(`readDirectory() refuses ${name}`, async () => {
    await using folder = await folderWith(make);
    const message = await refusal(readDirectory(folder.path, { limits: limits ?? {} }, signal));
    const said = message.replace(`Cannot read ${folder.path}: `, "");
    if (typeof why === "string") assert.equal(said, why);
    else assert.match(said, why);
  });
}

test("readTarball() reads a tarball from disk", async () => {
  await using folder = await folderWith({ "a.tgz": await tarGzOf({ a: "1" }) });
  assert.deepEqual(texts(await readTarball(join(folder.path, "a.tgz"), {}, signal)), { a: "1" });
});

test("readTarball() and readDirectory() say what is wrong with a path", async () => {
  await using folder = await folderWith({ "big.tgz": "12345", file: "1" });
  const at = (name: string): string => join(folder.path, name);
  const limits = { tarballBytes: 4 };
  assert.equal(await refusal(readTarball(at("gone"), {}, signal)), `Cannot read ${at("gone")}: it does not exist`);
  assert.equal(
    await refusal(readTarball(folder.path, {}, signal)),
    `Cannot read ${folder.path}: it is no regular file`,
  );
  assert.equal(
    await refusal(readTarball(at("big.tgz"), { limits }, signal)),
    `Cannot read ${at("big.tgz")}: it is larger than 4 bytes`,
  );
  assert.equal(await refusal(readDirectory(at("gone"), {}, signal)), `Cannot read ${at("gone")}: it does not exist`);
  assert.equal(await refusal(readDirectory(at("file"), {}, signal)), `Cannot read ${at("file")}: it is no folder`);
});

/** Content of a file, or where a link leads. */
type Made = Readonly<Record<string, string | Uint8Array | { readonly to: string }>>;

async function folderWith(make: Made): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "layer-"));
  for (const [name, content] of Object.entries(make)) {
    const full = join(path, name);
    await mkdir(join(full, ".."), { recursive: true });
    if (typeof content === "string" || content instanceof Uint8Array) await writeFile(full, content);
    else await symlink(content.to, full);
  }
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

async function refusal(reading: Promise<Files>): Promise<string> {
  try {
    await reading;
  } catch (error) {
    if (error instanceof LayerError) return error.message;
    throw error;
  }
  return "taken";
}

const ofTheCaller = new RangeError("of the caller");

function throwing(): boolean {
  throw ofTheCaller;
}

function isB(path: string): boolean {
  return path === "b";
}

function twoMembers(tarball: Buffer): Buffer {
  return Buffer.concat([gzipSync(tarball.subarray(0, 700)), gzipSync(tarball.subarray(700))]);
}

function texts(files: Files): Record<string, string> {
  return Object.fromEntries([...files].map(([path, content]) => [path, Buffer.from(content).toString()]));
}
