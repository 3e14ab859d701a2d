import assert from "node:assert/strict";
import { test } from "node:test";
import { ArtifactError } from "./artifact-error.ts";
import { embeddedVersions, embeddedVex, loadVex } from "./load.ts";
import {
  findingsFor,
  isVexFile,
  minorOf,
  openVexOf,
  readVex,
  summaryOfVex,
  vexPath,
  type RunningImage,
  type VexDocument,
} from "./vex.ts";

const path = "flux-vex/v2.9.json";
const context = "https://openvex.dev/ns/v0.2.0";

function image(name: string): RunningImage {
  return { name, repository: `ghcr.io/fluxcd/${name}`, tag: "v1.9.4", digest: "sha256:aa" };
}

const document: VexDocument = {
  author: "vendor@example.com",
  updated: "2026-06-02T12:00:00Z",
  statements: [
    { vulnerability: "CVE-2", status: "fixed", products: ["pkg:oci/source-controller"] },
    {
      vulnerability: "CVE-1",
      status: "not_affected",
      products: ["pkg:apk/alpine/zlib@1.3.1-r2", "pkg:apk/alpine/zlib"],
      justification: "vulnerable_code_not_in_execute_path",
      timestamp: "2026-01-01T00:00:00Z",
    },
    { vulnerability: "CVE-3", status: "affected", products: ["pkg:oci/helm-controller"] },
  ],
};

test("readVex() reads what is said, in both spellings of 0.2.0 and 0.0.x, and leaves sentences out", () =>
  assert.deepEqual(
    readVex(
      JSON.stringify({
        "@context": context,
        author: "vendor@example.com",
        timestamp: "2026-06-01T00:00:00Z",
        statements: [
          {
            vulnerability: { name: "CVE-1" },
            products: [{ "@id": "pkg:oci/source-controller" }],
            status: "not_affected",
            justification: "component_not_present",
            impact_statement: "Long words.",
          },
          { vulnerability: "CVE-2", products: ["pkg:oci/helm-controller"], status: "under_investigation" },
        ],
      }),
      path,
    ),
    {
      author: "vendor@example.com",
      updated: "2026-06-01T00:00:00Z",
      statements: [
        {
          vulnerability: "CVE-1",
          status: "not_affected",
          products: ["pkg:oci/source-controller"],
          justification: "component_not_present",
        },
        { vulnerability: "CVE-2", status: "under_investigation", products: ["pkg:oci/helm-controller"] },
      ],
    },
  ));

for (const { name, text, message } of [
  { name: "no JSON", text: "<html>", message: `${path} is no JSON` },
  { name: "a list", text: "[]", message: `${path} is no OpenVEX document` },
  { name: "another document", text: '{"statements":[]}', message: `${path} is no OpenVEX document` },
  {
    name: "statements that are no list",
    text: JSON.stringify({ "@context": context, statements: {} }),
    message: `${path} has statements that are no list`,
  },
  {
    name: "a status that OpenVEX does not have",
    text: JSON.stringify({ "@context": context, statements: [{ vulnerability: { name: "CVE-1" }, status: "fine" }] }),
    message: `${path}: statements[0] lacks its vulnerability or its status`,
  },
]) {
  test(`readVex() refuses ${name}`, () =>
    assert.throws(
      () => readVex(text, path),
      (error) => {
        assert.ok(error instanceof ArtifactError);
        assert.ok(error.message.includes(message), error.message);
        return true;
      },
    ));
}

test("findingsFor() gives what is about the images that run, by vulnerability", () => {
  const images = [image("source-controller"), image("kustomize-controller")];
  const [fixed, packages] = document.statements;
  assert.deepEqual(findingsFor(document, images), [
    { statement: packages, images, packages: ["pkg:apk/alpine/zlib@1.3.1-r2", "pkg:apk/alpine/zlib"] },
    { statement: fixed, images: [image("source-controller")], packages: [] },
  ]);
});

test("openVexOf() names the very images, and packages as their parts", () => {
  const findings = findingsFor(document, [image("source-controller")]);
  const purl = "pkg:oci/source-controller@sha256%3Aaa?repository_url=ghcr.io%2Ffluxcd%2Fsource-controller&tag=v1.9.4";
  assert.deepEqual(openVexOf(findings, document, { id: "1", tooling: "flux-operator/0.1.0" }), {
    "@context": context,
    "@id": "https://openvex.dev/docs/public/vex-1",
    author: "vendor@example.com",
    timestamp: "2026-06-02T12:00:00Z",
    version: 1,
    tooling: "flux-operator/0.1.0",
    statements: [
      {
        vulnerability: { name: "CVE-1" },
        timestamp: "2026-01-01T00:00:00Z",
        products: [
          {
            "@id": purl,
            subcomponents: [{ "@id": "pkg:apk/alpine/zlib@1.3.1-r2" }, { "@id": "pkg:apk/alpine/zlib" }],
          },
        ],
        status: "not_affected",
        justification: "vulnerable_code_not_in_execute_path",
      },
      { vulnerability: { name: "CVE-2" }, products: [{ "@id": purl }], status: "fixed" },
    ],
  });
});

test("loadVex() has statements, or says that there are none, for every embedded minor", () => {
  const lacking = [...new Set(embeddedVersions.map(minorOf))].filter((minor) => loadVex(`${minor}.0`) === undefined);
  assert.deepEqual(lacking, []);
  assert.equal(loadVex("1.0.0"), undefined);
  assert.ok((loadVex("2.7.5")?.statements.length ?? 0) > 10);
});

for (const { given, want } of [
  { given: "flux-vex/v2.9.json", want: true },
  { given: "flux-vex/README.md", want: false },
  { given: "flux/v2.9.4/rbac.yaml", want: false },
]) {
  test(`isVexFile() is ${want} for ${given}`, () => assert.equal(isVexFile(given), want));
}

test("vexPath() is that of the minor", () => assert.equal(vexPath("2.9.4"), path));

test("embeddedVex summarises what loadVex() has, of each minor that is embedded", () => {
  const loaded = embeddedVersions.map((version) => [minorOf(version), loadVex(version)] as const);
  const summaries = loaded.flatMap(([minor, found]) => (found === undefined ? [] : [[minor, summaryOfVex(found)]]));
  assert.deepEqual(embeddedVex, Object.fromEntries(summaries));
});

test("summaryOfVex() has another digest when a statement is another one, and tells the number and the time", () => {
  const { digest, ...others } = summaryOfVex(document);
  assert.deepEqual(others, { updated: "2026-06-02T12:00:00Z", statements: 3 });
  assert.equal(summaryOfVex(structuredClone(document)).digest, digest);
  assert.notEqual(summaryOfVex({ ...document, statements: document.statements.slice(1) }).digest, digest);
});
