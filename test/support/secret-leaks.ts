import type { OwnedApiClient } from "../../src/client/create-client.ts";
import { fieldsOf, textOf } from "../../src/kube/fields.ts";
import { eventKind, secretKind } from "../../src/kube/kinds.ts";
import { nameObject } from "../../src/kube/object-id.ts";
import type { JsonValue, KubeObject } from "../../src/kube/object.ts";
import { isJsonObject } from "../../src/std/json.ts";
import { recordObjects } from "./record-objects.ts";

/** A text that people or log collectors read, and where it stands. */
export type ReadableText = { readonly where: string; readonly text: string };

export type SecretRecord = {
  /** What of the Secrets stands in `texts` or in an event; each leak once, without the value. */
  stop(texts: readonly ReadableText[]): Promise<readonly string[]>;
};

/** Watches every Secret and every event that the cluster has until `stop`. */
export function recordSecrets(client: OwnedApiClient): SecretRecord {
  const secrets = recordObjects(client, secretKind);
  const events = recordObjects(client, eventKind);
  return {
    stop: async (texts) => {
      const [seen, told] = [await secrets.stop(), await events.stop()];
      const said = told.map((event) => ({ where: `event ${event.metadata.name}`, text: textOf(event["message"]) }));
      return leaksOf(seen, [...texts, ...said]);
    },
  };
}

/** Shorter values are words that stand anywhere. */
const shortest = 8;

/** Every entry of a Secret that stands in one of the texts, by its name and where. */
export function leaksOf(secrets: readonly KubeObject[], texts: readonly ReadableText[]): readonly string[] {
  const values = new Map(secrets.flatMap((secret) => secretValues(secret)));
  const leaks = [...values].flatMap(([value, name]) =>
    texts.filter(({ text }) => text.includes(value)).map(({ where }) => `${name} stands in ${where}`),
  );
  return [...new Set(leaks)].toSorted();
}

/** Entries as they are and as the registry client takes them apart: passwords and tokens inside a docker config. */
function secretValues(secret: KubeObject): readonly [value: string, name: string][] {
  return Object.entries(fieldsOf(secret["data"])).flatMap(([key, encoded]) => {
    const base64 = textOf(encoded);
    const text = Buffer.from(base64, "base64").toString("utf8");
    const name = `${nameObject(secret)} ${key}`;
    return [base64, text, ...innerValues(text)]
      .filter((value) => value.length >= shortest)
      .map((value): [string, string] => [value, name]);
  });
}

function innerValues(text: string): readonly string[] {
  try {
    return textsIn(JSON.parse(text) as JsonValue).flatMap((value) => [
      value,
      Buffer.from(value, "base64").toString("utf8"),
    ]);
  } catch {
    return [];
  }
}

function textsIn(value: JsonValue): readonly string[] {
  if (typeof value === "string") return [value];
  if (Array.isArray(value)) return value.flatMap((item: JsonValue) => textsIn(item));
  return isJsonObject(value) ? Object.values(value).flatMap(textsIn) : [];
}
