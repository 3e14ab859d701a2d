import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import type { KubeObject } from "../../src/kube/object.ts";

/** What the quickstart ends with: the instance, its conditions, its Deployments and images. */
export function summaryOf(instance: KubeObject, deployments: readonly KubeObject[]): string {
  const status = fieldsOf(instance["status"]);
  const conditions = listOf(status["conditions"]).map(fieldsOf);
  const images = listOf(status["lastAppliedImages"]).map(fieldsOf);
  return [
    table(
      ["INSTANCE", "VERSION", "LATEST", "REVISION"],
      [
        [
          `${instance.metadata.namespace ?? ""}/${instance.metadata.name}`,
          textOf(status["lastAppliedVersion"]),
          textOf(status["latestVersion"]),
          textOf(status["lastAppliedRevision"]),
        ],
      ],
    ),
    table(
      ["CONDITION", "STATUS", "REASON", "MESSAGE"],
      conditions.map((condition) => ["type", "status", "reason", "message"].map((key) => textOf(condition[key]))),
    ),
    table(
      ["DEPLOYMENT", "AVAILABLE"],
      deployments.map((deployment) => {
        const [available, wanted] = ["availableReplicas", "replicas"].map((field) =>
          JSON.stringify(fieldsOf(deployment["status"])[field] ?? 0),
        );
        return [deployment.metadata.name, `${available}/${wanted}`];
      }),
    ),
    table(
      ["IMAGE", "DIGEST"],
      images.map((image) => [textOf(image["name"]), textOf(image["digest"])]),
    ),
  ].join("\n\n");
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? "").length)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
