import type { JsonObject, JsonValue } from "../kube/object.ts";
import { isJsonObject } from "../std/json.ts";
import type { ReleaseFacts } from "./build-release.ts";
import type { CrdSchema } from "./components/controller.ts";
import { componentNames, imageVariants } from "./release.ts";
import type { ComponentName, ReleaseImage } from "./release.ts";

/** Where a component's CRDs of one release come from: `data/schemas/<version>.json`. */
export type ComponentCrds = {
  /** "github.com/fluxcd/source-controller/api@v1.9.4", the Go module that controller-gen read. */
  readonly module: string;
  /** The version that the release has, when the module of that very version is not available. */
  readonly standsInFor?: string;
  /** `file` is the name below `data/crds/`, without its ending. */
  readonly crds: readonly { readonly name: string; readonly file: string }[];
};
/** The CRDs of each component of a release. */
export type CrdIndex = { readonly [component in ComponentName]?: ComponentCrds };

/** Reads `data/releases/<version>.json`. `source` names the file in the Error that is thrown when it is malformed. */
export function readFacts(value: unknown, source: string): ReleaseFacts {
  const file = object(value, source);
  const { standIns } = file;
  const images = object(file["images"], `${source}: images`);
  return {
    version: text(file["version"], `${source}: version`),
    components: pick(componentNames, object(file["components"], `${source}: components`), text),
    images: pick(imageVariants, images, (variant, where) => pick(componentNames, object(variant, where), readImage)),
    ...(standIns === undefined
      ? {}
      : { standIns: pick(componentNames, object(standIns, `${source}: standIns`), text) }),
  };
}

/** Reads `data/schemas/<version>.json`. Throws as `readFacts`. */
export function readCrdIndex(value: unknown, source: string): CrdIndex {
  return pick(componentNames, object(value, source), (entry, where) => {
    const component = object(entry, `${source}: ${where}`);
    const { standsInFor } = component;
    return {
      module: text(component["module"], `${where}: module`),
      ...(standsInFor === undefined ? {} : { standsInFor: text(standsInFor, `${where}: standsInFor`) }),
      crds: list(component["crds"], `${where}: crds`).map((item) => {
        const crd = object(item, `${where}: crds`);
        return { name: text(crd["name"], `${where}: name`), file: text(crd["file"], `${where}: file`) };
      }),
    };
  });
}

/** Reads a file of `data/crds/`. Throws as `readFacts`. */
export function readCrdSchema(value: unknown, source: string): CrdSchema {
  const crd = object(value, source);
  return { name: text(crd["name"], `${source}: name`), spec: object(crd["spec"], `${source}: spec`) };
}

function readImage(value: JsonValue, where: string): ReleaseImage {
  const image = object(value, where);
  return { tag: text(image["tag"], `${where}: tag`), digest: text(image["digest"], `${where}: digest`) };
}

/** The members of `source` that `names` has, each read by `read`. */
function pick<Name extends string, Value>(
  names: readonly Name[],
  source: JsonObject,
  read: (value: JsonValue, where: string) => Value,
): { readonly [name in Name]?: Value } {
  const picked: { [name in Name]?: Value } = {};
  for (const name of names) {
    const value = source[name];
    if (value !== undefined) picked[name] = read(value, name);
  }
  return picked;
}

function object(value: unknown, where: string): JsonObject {
  if (isJsonObject(value)) return value;
  throw new Error(`Cannot read the release data: ${where} is not an object`);
}

function list(value: unknown, where: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new Error(`Cannot read the release data: ${where} is not a list`);
}

function text(value: unknown, where: string): string {
  if (typeof value === "string") return value;
  throw new Error(`Cannot read the release data: ${where} is not text`);
}
