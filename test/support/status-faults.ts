import { conditionFaults } from "../../src/api/reasons.ts";
import { readStatus } from "../../src/controllers/flux-instance/status.ts";
import type { Condition } from "../../src/kube/conditions.ts";
import type { KubeObject } from "../../src/kube/object.ts";

/**
 * What is wrong with the statuses that instances had one after another: conditions that are illegal by `api/reasons.ts` and kstatus,
 * and messages that differ between retries. Each fault once.
 */
export function statusFaults(seen: readonly KubeObject[]): readonly string[] {
  const states = [...Map.groupBy(seen, ({ metadata }) => metadata.uid ?? "").values()];
  return [...new Set([...seen.flatMap(faultsOf), ...states.flatMap(flutter)])];
}

function faultsOf(instance: KubeObject): readonly string[] {
  const { conditions, observedGeneration = 0 } = readStatus(instance["status"]);
  const { generation = 0 } = instance.metadata;
  const ahead = conditions.filter((condition) => (condition.observedGeneration ?? 0) > generation);
  return [
    ...conditionFaults(conditions),
    ...(observedGeneration > generation ? ["observedGeneration is of a generation to come"] : []),
    ...ahead.map(({ type }) => `${type} is about a generation to come`),
    ...conditions.flatMap(elapsed),
    ...conditions.filter(({ message }) => message.length > longest).map(tooLong),
  ];
}

/** What a person reads. */
const longest = 500;

function tooLong({ type, reason, message }: Condition): string {
  return `${type}/${reason} has ${message.length} characters: ${message}`;
}

/** How often, how long: what differs between two retries of the same. */
function elapsed({ type, reason, message }: Condition): readonly string[] {
  const counts = /\b(after|attempt|retry|retries|tries)\b[^;,.]*\d|\d+(\.\d+)?(ms|s)\b (ago|elapsed)/i;
  return counts.test(message) ? [`${type}/${reason} counts or times: ${message}`] : [];
}

/** A failure that is told as A, B, A, B changes with each retry: two tellings of one thing. */
function flutter(states: readonly KubeObject[]): readonly string[] {
  const told = states.map(failureOf);
  const turns = told.filter((message, index) => message !== told[index - 1]);
  return turns.flatMap((first, index) => {
    const [second, third, fourth] = turns.slice(index + 1, index + 4);
    const isFlutter = first !== undefined && second !== undefined && first === third && second === fourth;
    return isFlutter ? [`Ready tells in turn: ${first} | ${second}`] : [];
  });
}

function failureOf(state: KubeObject): string | undefined {
  const ready = readStatus(state["status"]).conditions.find(({ type }) => type === "Ready");
  if (ready?.status !== "False") return undefined;
  return `${ready.observedGeneration} ${ready.reason}: ${ready.message}`;
}
