import { listOf, textOf } from "../kube/fields.ts";
import type { JsonObject, JsonValue } from "../kube/object.ts";
import { sha256Digest } from "../std/digest.ts";
import { canonicalJson, isJsonObject } from "../std/json.ts";
import { artifactFailed } from "./artifact-error.ts";

/** The labels of a statement. Source: OpenVEX specification 0.2.0, "Status Labels". */
export const vexStatuses = ["not_affected", "affected", "fixed", "under_investigation"] as const;
export type VexStatus = (typeof vexStatuses)[number];

/** What somebody says of one vulnerability. */
export type VexStatement = {
  /** "CVE-2025-66506" */
  readonly vulnerability: string;
  readonly status: VexStatus;
  /** Package URLs: of an image ("pkg:oci/source-controller"), or of what is in images ("pkg:apk/alpine/zlib@1.3.1-r2"). */
  readonly products: readonly string[];
  /** "vulnerable_code_not_in_execute_path"; only for not_affected. */
  readonly justification?: string;
  /** When it was said, in RFC 3339. */
  readonly timestamp?: string;
};

/** What the vendor says of the vulnerabilities of one minor of Flux. */
export type VexDocument = {
  readonly author: string;
  /** When it was changed last, in RFC 3339. */
  readonly updated: string;
  readonly statements: readonly VexStatement[];
};

/** Which statements there are about a minor: digest and number of them, and when they were changed last. */
export type VexSummary = { readonly digest: string; readonly updated: string; readonly statements: number };

/** Summaries by minor ("2.9"). */
export type VexSummaries = { readonly [minor: string]: VexSummary };

/** Documents that say the same have the same digest, wherever they are from. */
export function summaryOfVex({ author, updated, statements }: VexDocument): VexSummary {
  const said = { author, updated, statements: statements.map((one) => ({ ...one })) };
  return { digest: sha256Digest(canonicalJson(said)), updated, statements: statements.length };
}

const vexFile = /^flux-vex\/v\d+\.\d+\.json$/;

/** Whether a file of an artifact is one that `readVex` reads. */
export function isVexFile(path: string): boolean {
  return vexFile.test(path);
}

/** Where an artifact has the statements about a version: "flux-vex/v2.9.json". */
export function vexPath(version: string): string {
  return `flux-vex/v${minorOf(version)}.json`;
}

/** "2.9" of "2.9.4". */
export function minorOf(version: string): string {
  return version.split(".").slice(0, 2).join(".");
}

/** Reads an OpenVEX document. Sentences in it are left out. Throws ArtifactError, which names the file. */
export function readVex(text: string, path: string): VexDocument {
  const document = parse(text, path);
  if (!textOf(document["@context"]).startsWith("https://openvex.dev/ns"))
    throw artifactFailed(`${path} is no OpenVEX document`);
  const statements = document["statements"] ?? [];
  if (!Array.isArray(statements)) throw artifactFailed(`${path} has statements that are no list`);
  return {
    author: textOf(document["author"]),
    updated: textOf(document["last_updated"] ?? document["timestamp"]),
    statements: listOf(statements).map((statement, at) => readStatement(statement, `${path}: statements[${at}]`)),
  };
}

function parse(text: string, path: string): JsonObject {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw artifactFailed(`${path} is no JSON`); // The parser's message depends on its version.
  }
  if (!isJsonObject(parsed)) throw artifactFailed(`${path} is no OpenVEX document`);
  return parsed;
}

function readStatement(value: JsonValue, where: string): VexStatement {
  if (!isJsonObject(value)) throw artifactFailed(`${where} is no object`);
  const named = value["vulnerability"];
  const vulnerability = isJsonObject(named) ? textOf(named["name"]) : textOf(named);
  const status = vexStatuses.find((known) => known === value["status"]);
  if (vulnerability === "" || status === undefined)
    throw artifactFailed(`${where} lacks its vulnerability or its status`);
  const products = listOf(value["products"]).map((product) =>
    isJsonObject(product) ? textOf(product["@id"]) : textOf(product),
  );
  const { justification, timestamp } = value;
  return {
    vulnerability,
    status,
    products: products.filter((product) => product !== ""),
    ...(typeof justification === "string" ? { justification } : {}),
    ...(typeof timestamp === "string" ? { timestamp } : {}),
  };
}

/** An image that runs. */
export type RunningImage = {
  /** "source-controller" */
  readonly name: string;
  /** "ghcr.io/fluxcd/source-controller" */
  readonly repository: string;
  readonly tag: string;
  /** "sha256:..."; "" where it is not known. */
  readonly digest: string;
};

/** A statement about what runs. */
export type VexFinding = {
  readonly statement: VexStatement;
  /** The images that it is about, of those that run. */
  readonly images: readonly RunningImage[];
  /** The packages in them that it is about; empty where it is about the images as such. */
  readonly packages: readonly string[];
};

/** What of `document` is about these images, by vulnerability. */
export function findingsFor({ statements }: VexDocument, images: readonly RunningImage[]): readonly VexFinding[] {
  return statements
    .map((statement): VexFinding => {
      const { products } = statement;
      const packages = products.filter((product) => !product.startsWith("pkg:oci/"));
      const isNamed = ({ name }: RunningImage): boolean => products.some((product) => imageName(product) === name);
      return { statement, images: packages.length > 0 ? images : images.filter(isNamed), packages };
    })
    .filter((finding) => finding.images.length > 0)
    .toSorted((left, right) => (left.statement.vulnerability < right.statement.vulnerability ? -1 : 1));
}

function imageName(product: string): string | undefined {
  return /^pkg:oci\/([^@?]+)/.exec(product)?.[1];
}

/** The package URL of an image. Source: purl-spec, type "oci". */
function packageUrl({ name, repository, tag, digest }: RunningImage): string {
  const version = digest === "" ? "" : `@${encodeURIComponent(digest)}`;
  return `pkg:oci/${name}${version}?repository_url=${encodeURIComponent(repository)}&tag=${encodeURIComponent(tag)}`;
}

/** The findings as an OpenVEX document for a scanner of these very images. `id` makes its address unique. */
export function openVexOf(
  findings: readonly VexFinding[],
  { author, updated }: VexDocument,
  { id, tooling }: { readonly id: string; readonly tooling: string },
): JsonObject {
  return {
    "@context": "https://openvex.dev/ns/v0.2.0",
    "@id": `https://openvex.dev/docs/public/vex-${id}`,
    author,
    timestamp: updated,
    version: 1,
    tooling,
    statements: findings.map(({ statement, images, packages }) => ({
      vulnerability: { name: statement.vulnerability },
      ...(statement.timestamp === undefined ? {} : { timestamp: statement.timestamp }),
      products: images.map((image) => ({
        "@id": packageUrl(image),
        ...(packages.length === 0 ? {} : { subcomponents: packages.map((one) => ({ "@id": one })) }),
      })),
      status: statement.status,
      ...(statement.justification === undefined ? {} : { justification: statement.justification }),
    })),
  };
}
