import { eventReasons, reasons } from "../api/reasons.ts";
import { fieldsOf, listOf, textOf } from "../kube/fields.ts";
import type { KubeObject } from "../kube/object.ts";
import type { EventNote } from "../runtime/events.ts";
import type { Config } from "./config.ts";

const controller = "notification-controller";
const done: ReadonlySet<string> = new Set([reasons.reconciliationSucceeded, reasons.rolledBack]);
const found: ReadonlySet<string> = new Set([eventReasons.newVersion, eventReasons.newDigest]);

/**
 * Where notification-controller is told of what happened to the instance: failures, what was changed, and what is new in a registry. Undefined for what else there is to
 * tell, and where that controller does not run: it is not asked for, or not applied yet.
 */
export function notificationAddress(
  instance: KubeObject | undefined,
  note: EventNote,
  { address, disabled }: Config["notifications"],
): URL | undefined {
  if (disabled || instance === undefined || !isNews(note)) return undefined;
  if (address !== undefined) return new URL(address);
  if (!runsIn(instance, note.reason)) return undefined;
  const domain = textOf(fieldsOf(fieldsOf(instance["spec"])["cluster"])["domain"]) || "cluster.local";
  // The dot at the end spares the search through the domains of the pod.
  const url = `http://${controller}.${instance.metadata.namespace ?? ""}.svc.${domain}./`;
  return URL.canParse(url) ? new URL(url) : undefined;
}

function isNews({ type, reason }: EventNote): boolean {
  // Who disables reconciliation knows of it, and the Go operator tells it to Kubernetes only.
  return type === "Warning" ? reason !== reasons.reconciliationDisabled : done.has(reason) || found.has(reason);
}

/** What the watch has of the status may be older than what was applied just now. */
function runsIn(instance: KubeObject, reason: string): boolean {
  const wanted = listOf(fieldsOf(instance["spec"])["components"]);
  const applied = listOf(fieldsOf(instance["status"])["components"]).map((one) => fieldsOf(one)["name"]);
  if (applied.length > 0 || !done.has(reason)) return applied.includes(controller);
  return wanted.length === 0 || wanted.includes(controller);
}
