import {
  Composer,
  LineCounter,
  Parser,
  Scalar,
  isMap,
  isScalar,
  stringify,
  visit,
  type Document,
  type ParsedNode,
  type ScalarTag,
  type YAMLError,
} from "yaml";
import { errorMessage } from "./errors.ts";
import type { JsonValue } from "./json.ts";

type Position = { readonly line: number; readonly column: number };

/** Text is no YAML, or has a value which JSON cannot represent. `line` and `column` start at 1. */
export class YamlError extends Error {
  /** The message without its beginning: "line 3, column 1: ...". */
  readonly problem: string;
  readonly line: number;
  readonly column: number;

  constructor(problem: string, position: Position, options?: ErrorOptions) {
    const placed = `line ${position.line}, column ${position.column}: ${problem}`;
    super(`Cannot read YAML: ${placed}`, options);
    this.problem = placed;
    this.name = "YamlError";
    this.line = position.line;
    this.column = position.column;
  }
}

/** How scalars are read. */
export type YamlReading = {
  /** Reads `yes`, `no`, `on`, `off`, `y` and `n` as text, as YAML 1.2 and Go's yaml.v3 do. */
  readonly wordsAreText?: boolean;
  /** Paths of maps of text: their scalars are taken as they are written (`version: 1.10` is "1.10"), except null. */
  readonly textMaps?: readonly (readonly string[])[];
};

/**
 * The value of the only document in `text`; null when it is empty. Scalars are read as sigs.k8s.io/yaml does (YAML 1.1: 0644 is 420, `yes` and
 * `on` are true, a date stays text), and keys become text (`1:` is "1", `on:` is "true"). Throws YamlError; also for duplicate keys, for more
 * than one document, and for integers beyond 2^53.
 */
export function parseKubeYaml(text: string): JsonValue {
  const lines = new LineCounter();
  const documents = [...readDocuments(text, lines)].filter(isFilled);
  const second = documents[1];
  if (second !== undefined) throw new YamlError("a second document where one is expected", startOf(second, lines));
  const [first] = documents;
  return first === undefined ? null : valueOf(first, lines, text);
}

/** The values of all documents in `text` that are not empty, in order. Reads and throws as `parseKubeYaml` does. */
export function parseKubeYamlDocuments(text: string, reading: YamlReading = {}): readonly JsonValue[] {
  return [...eachKubeYamlDocument(text, reading)];
}

/**
 * As `parseKubeYamlDocuments`, one document at a time: reading takes a hundred times the memory of the text, which can be freed after each
 * document, and a long time, in which the caller can do other work. Throws YamlError when it reaches a faulty document.
 */
export function* eachKubeYamlDocument(text: string, reading: YamlReading = {}): Generator<JsonValue, void, void> {
  const lines = new LineCounter();
  for (const document of readDocuments(text, lines, reading)) {
    reading.textMaps?.forEach((path) => takeAsWritten(document, path));
    const value = valueOf(document, lines, text);
    if (value !== null) yield value;
  }
}

/** One YAML document ending in a newline; text that a YAML 1.1 or 1.2 reader might take for another type is quoted. */
export function formatYaml(value: JsonValue): string {
  return stringify(value, { schema: "core", compat: "yaml-1.1", aliasDuplicateObjects: false, lineWidth: 0 });
}

function readDocuments(
  text: string,
  lineCounter: LineCounter,
  reading: YamlReading = {},
): Generator<Document.Parsed, void, void> {
  const composer = new Composer({
    schema: "failsafe",
    customTags: [nullTag, reading.wordsAreText === true ? booleanOnlyTag : booleanTag, integerTag, floatTag],
    merge: true,
    resolveKnownTags: false,
    uniqueKeys: sameKey,
    logLevel: "error",
  });
  return composer.compose(new Parser(lineCounter.addNewLine).parse(text));
}

function isFilled({ contents, errors }: Document.Parsed): boolean {
  return errors.length > 0 || (contents !== null && !(isScalar(contents) && contents.value === null));
}

function valueOf(document: Document.Parsed, lines: LineCounter, text: string): JsonValue {
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem !== undefined) throw asYamlError(problem, lines);
  visit(document, {
    Scalar(_, node) {
      if (endsWithoutBreak(node, text)) node.value = node.value.replace(/\n$/, "");
    },
    Pair(_, { key }) {
      if (isScalar(key) && key.value !== null) return;
      throw new YamlError("a key that is no text", startOf(document, lines));
    },
  });
  try {
    const value: JsonValue = document.toJS({ maxAliasCount: 100 });
    return value;
  } catch (cause) {
    throw new YamlError(errorMessage(cause), startOf(document, lines), { cause });
  }
}

/** A block scalar whose last line is the end of the text, without a line break: YAML reads one into it, go-yaml does not. */
function endsWithoutBreak(node: Scalar, text: string): node is Scalar<string> {
  const isBlock = node.type === Scalar.BLOCK_LITERAL || node.type === Scalar.BLOCK_FOLDED;
  return isBlock && typeof node.value === "string" && node.range?.[2] === text.length && !text.endsWith("\n");
}

function takeAsWritten(document: Document.Parsed, path: readonly string[]): void {
  if (!isMap(document.contents)) return;
  const map = document.getIn(path, true);
  if (!isMap(map)) return;
  for (const { value } of map.items) {
    if (isScalar(value) && value.value !== null && value.source !== undefined) value.value = value.source;
  }
}

function asYamlError(problem: YAMLError, lines: LineCounter): YamlError {
  const { line, col } = lines.linePos(problem.pos[0]);
  const position = { line, column: col };
  if (problem.code === "DUPLICATE_KEY") return new YamlError("a key stands twice in one map: remove one", position);
  if (problem.message.startsWith("Maximum call stack")) return new YamlError("it is nested too deeply", position);
  return new YamlError(problem.message.replaceAll(/\s+/g, " ").replace(/\.$/, ""), position);
}

function startOf(document: Document.Parsed, lines: LineCounter): Position {
  const { line, col } = lines.linePos(document.contents?.range[0] ?? document.range[0]);
  return { line, column: col };
}

/** Keys are the same when they become the same text. */
function sameKey(left: ParsedNode, right: ParsedNode): boolean {
  return isScalar(left) && isScalar(right) && String(left.value) === String(right.value);
}

const nullTag: ScalarTag = {
  tag: "tag:yaml.org,2002:null",
  default: true,
  test: /^(?:|~|null|Null|NULL)$/,
  resolve: () => null,
};

const booleanTag: ScalarTag = {
  tag: "tag:yaml.org,2002:bool",
  default: true,
  test: /^(?:y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON|n|N|no|No|NO|false|False|FALSE|off|Off|OFF)$/,
  resolve: (text) => /^(?:y|true|on)/i.test(text),
};

const booleanOnlyTag: ScalarTag = { ...booleanTag, test: /^(?:true|True|TRUE|false|False|FALSE)$/ };

/** What Go's strconv.ParseInt(s, 0, 64) accepts when the underscores are removed, as in go-yaml's resolve.go. */
const integerTag: ScalarTag = {
  tag: "tag:yaml.org,2002:int",
  default: true,
  test: /^[-+]?(?:0_*[xX][\d_a-fA-F]*[\da-fA-F][\d_a-fA-F]*|0_*[bB]_*[01][01_]*|0_*[oO]?_*[0-7][0-7_]*|[1-9][\d_]*|0_*)$/,
  resolve: (text) => readInteger(text.replaceAll("_", "")),
};

const floatTag: ScalarTag = {
  tag: "tag:yaml.org,2002:float",
  default: true,
  test: /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)|\.\d+(?:[eE][-+]?\d+)?|[-+][_]*(?:\.[\d_]+|\d[\d_]*(?:\.[\d_]*)?)(?:[eE][-+]?[\d_]+)?|\d[\d_]*(?:\.[\d_]*)?(?:[eE][-+]?[\d_]+)?)$/,
  resolve: (text) => readFloat(text.replaceAll("_", "")),
};

function readInteger(text: string): number {
  const negative = text.startsWith("-");
  const digits = text.replace(/^[-+]/, "");
  const magnitude = Number(digits.replace(/^0(?=[0-7]+$)/, "0o"));
  if (magnitude > Number.MAX_SAFE_INTEGER) {
    throw new Error(`the integer ${text} is beyond 2^53 and would not be kept exactly`);
  }
  return negative && magnitude !== 0 ? -magnitude : magnitude;
}

function readFloat(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value)) throw new Error(`${text} is no number of JSON`);
  return value === 0 ? 0 : value;
}
