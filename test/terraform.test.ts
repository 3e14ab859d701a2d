import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { extract } from "tar-stream";
import { moduleArchive } from "../scripts/terraform/archive.ts";
import { assignments, literal, objectOf, quoted } from "../scripts/terraform/hcl.ts";
import { fluxInstanceSpecSchema } from "../src/api/schema/spec.ts";
import { fieldsOf } from "../src/kube/fields.ts";
import type { JsonValue } from "../src/kube/object.ts";
import { isJsonObject } from "../src/std/json.ts";
import { parseKubeYaml } from "../src/std/yaml.ts";

const folder = join(import.meta.dirname, "../packaging/terraform");
const read = (name: string): string => readFileSync(join(folder, name), "utf8");
const schema: JsonValue = JSON.parse(JSON.stringify(fluxInstanceSpecSchema));

test("assignments() has the signs of equality of lines that stand together in one column", () => {
  const members = [
    { name: "a", value: ["1"] },
    { name: "longer", value: ["2"] },
    { name: "object", value: objectOf("f(", [{ name: "b", value: ["3"] }], ")") },
    { name: "c", value: ["4"] },
  ] as const;
  assert.deepEqual(assignments(members), ["a      = 1", "longer = 2", "object = f({", "  b = 3", "})", "c = 4"]);
});

for (const { value, want } of [
  { value: {}, want: "{}" },
  { value: ["a", null, true, 1], want: '["a", null, true, 1]' },
  { value: { a: { b: "c" } }, want: '{ a = { b = "c" } }' },
])
  test(`literal(${JSON.stringify(value)}) is ${want}`, () => assert.equal(literal(value), want));

test("quoted() has no templates", () => {
  assert.equal(quoted('"${a}%{b}\n'), '"\\"$${a}%%{b}\\n"');
});

type Declared = { readonly name: string; readonly text: string };

/** The blocks of one kind in all files of the module. */
function blocksOf(kind: "variable" | "output"): readonly Declared[] {
  const files = readdirSync(folder).filter((name) => name.endsWith(".tf"));
  const found = files
    .map(read)
    .join("\n")
    .matchAll(new RegExp(String.raw`^${kind} "(\w+)" \{\n([\s\S]*?)^\}`, "gm"));
  return [...found].map(([, name = "", text = ""]) => ({ name, text }));
}

const variables = blocksOf("variable");

for (const kind of ["variable", "output"] as const)
  test(`README.md has a row for each ${kind}, with its description`, () => {
    const rows = read("README.md")
      .split("\n")
      .filter((line) => line.startsWith("| `"));
    const missing = blocksOf(kind).filter(({ name, text }) => {
      const description = /^ {2}description = (".*")$/m.exec(text)?.[1] ?? '"?"';
      return !rows.some((row) => row.startsWith(`| \`${name}\``) && row.endsWith(` ${JSON.parse(description)} |`));
    });
    assert.ok(blocksOf(kind).length > 2);
    assert.deepEqual(missing, []);
  });

test("every variable that is declared is used", () => {
  const texts = ["main.tf", "fields.tf"].map(read).join("\n");
  const unused = variables.filter(({ name }) => !new RegExp(String.raw`\bvar\.${name}\b`).test(texts));
  assert.deepEqual(unused, []);
});

/** "driftIgnore" of fields.tf, by the variable that it comes from. */
const fieldOf = new Map(
  [...read("fields.tf").matchAll(/^ {4}(\w+) += var\.(\w+)$/gm)].map(([, field = "", name = ""]) => [name, field]),
);

/** Paths of all fields below a schema, "[]" for the items of a list. */
function pathsIn(node: JsonValue | undefined, path: string): readonly string[] {
  const { properties, items } = fieldsOf(node);
  const below = isJsonObject(properties) ? Object.entries(properties) : [];
  return [
    ...below.flatMap(([name, member]) => [`${path}.${name}`].concat(pathsIn(member, `${path}.${name}`))),
    ...(items === undefined ? [] : pathsIn(items, `${path}[]`)),
  ];
}

/** Paths of all attributes of a variable's type, as `pathsIn` has them. */
function attributesOf({ name, text }: Declared): readonly string[] {
  const [, type = ""] = /^ {2}type +=([\s\S]*?)^ {2}default/m.exec(text) ?? [];
  const open: string[] = [];
  return type.split("\n").flatMap((line) => {
    if (/^\s*\}/.test(line)) open.pop();
    const [, attribute] = /^\s+(\w+) += /.exec(line) ?? [];
    const path = attribute === undefined ? (fieldOf.get(name) ?? name) : `${open.at(-1)}.${attribute}`;
    if (line.endsWith("object({")) open.push(line.includes("list(") ? `${path}[]` : path);
    return attribute === undefined ? [] : [path];
  });
}

test("the variables have every field of the spec, and no other", () => {
  const declared = variables.filter(({ name }) => fieldOf.has(name));
  assert.deepEqual(
    declared.map(({ name }) => fieldOf.get(name)),
    Object.keys(fluxInstanceSpecSchema.properties),
  );
  assert.deepEqual(
    declared.flatMap(attributesOf),
    Object.entries(fieldsOf(fieldsOf(schema)["properties"])).flatMap(([field, node]) => pathsIn(node, field)),
  );
});

/** Choices of texts that stand in objects, by path. */
function choicesIn(node: JsonValue | undefined, path: string): readonly string[] {
  const { properties, enum: choices } = fieldsOf(node);
  const below = isJsonObject(properties) ? Object.entries(properties) : [];
  return [
    ...(Array.isArray(choices) ? [`${path} ${literal(choices)}`] : []),
    ...below.flatMap(([name, member]) => choicesIn(member, `${path}.${name}`)),
  ];
}

test("a plan refuses every text that is none of the spec's choices", () => {
  const checked = variables.flatMap(({ name, text }) =>
    [...text.matchAll(/can\(index\((\[.*?\]), var\.\w+(\S*)\)\)$/gm)].map(
      ([, choices = "", below = ""]) => `${fieldOf.get(name)}${below} ${choices}`,
    ),
  );
  const want = Object.entries(fieldsOf(fieldsOf(schema)["properties"])).flatMap(([field, node]) =>
    choicesIn(node, field),
  );
  assert.ok(want.length > 5);
  assert.deepEqual(checked, want);
});

test("the defaults of attributes are those of the chart flux-instance", () => {
  const text = readFileSync(join(folder, "../charts/flux-instance/values.yaml"), "utf8");
  const { instance } = fieldsOf(parseKubeYaml(text));
  const given = variables
    .filter(({ name }) => fieldOf.has(name))
    .flatMap(({ name, text }) =>
      [...text.matchAll(/^ {4}(\w+) += optional\(\w+, (.*)\)$/gm)].map(([, attribute = "", value = ""]) => [
        `${fieldOf.get(name)}.${attribute}`,
        JSON.parse(value),
      ]),
    );
  const leaves = Object.entries(fieldsOf(instance)).flatMap(([field, value]) =>
    isJsonObject(value) ? Object.entries(value).map(([name, one]) => [`${field}.${name}`, one] as const) : [],
  );
  // What the chart has as "" is not set, but for these, which a spec has to have.
  const emptied = new Set(["storage.class", "sync.ref", "sync.path"]);
  const want = leaves.filter(
    ([path, value]) => !isJsonObject(value) && !Array.isArray(value) && (value !== "" || emptied.has(path)),
  );
  assert.deepEqual(Object.fromEntries(given), Object.fromEntries(want));
});

test("moduleArchive() has the module and the charts, the same bytes each time", async () => {
  const [one, two] = [await moduleArchive(), await moduleArchive()];
  assert.deepEqual(one, two);
  const files = new Map<string, string>();
  const unpacked = extract();
  unpacked.end(gunzipSync(one));
  for await (const entry of unpacked) {
    const { name, type, mtime, uid } = entry.header;
    assert.deepEqual([mtime, uid], [new Date(0), 0]);
    const content = await text(entry);
    if (type === "file") files.set(name, content);
  }
  assert.equal(files.get("packaging/terraform/main.tf"), read("main.tf"));
  const folders = ["packaging/charts", "packaging/terraform"];
  const committed = execFileSync("git", ["ls-files", ...folders], { cwd: join(folder, "../..") });
  assert.deepEqual([...files.keys()], committed.toString().trim().split("\n").toSorted());
});

const onPath = (process.env["PATH"] ?? "").split(delimiter).some((place) => existsSync(join(place, "terraform")));
test("terraform fmt changes nothing", { skip: !onPath && "terraform is not on the PATH" }, () => {
  const env = { ...process.env, TF_CLI_CONFIG_FILE: "/dev/null", CHECKPOINT_DISABLE: "1" };
  assert.equal(execFileSync("terraform", ["fmt", "-check", "-diff", "-recursive", folder], { env }).toString(), "");
});
