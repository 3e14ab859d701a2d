/** One entry of `status.conditions`, as metav1.Condition. */
export type Condition = {
  readonly type: string;
  readonly status: ConditionStatus;
  readonly reason: string;
  readonly message: string;
  /** RFC 3339, whole seconds. */
  readonly lastTransitionTime: string;
  readonly observedGeneration?: number;
};

/** The status of a condition. */
export type ConditionStatus = "True" | "False" | "Unknown";

/** A condition before it is dated. */
export type NextCondition = Omit<Condition, "lastTransitionTime">;

/**
 * The conditions with `next` instead of the one of its type, or at the end. `lastTransitionTime` becomes `nowIso` only when the status changes
 * (as in apimachinery's meta.SetStatusCondition). The same list when nothing differs.
 */
export function setCondition(
  conditions: readonly Condition[],
  next: NextCondition,
  nowIso: string,
): readonly Condition[] {
  const current = findCondition(conditions, next.type);
  if (current === undefined) return [...conditions, { ...next, lastTransitionTime: nowIso }];
  if (sameCondition(current, next)) return conditions;
  const lastTransitionTime = current.status === next.status ? current.lastTransitionTime : nowIso;
  return conditions.map((condition) => (condition === current ? { ...next, lastTransitionTime } : condition));
}

/** The condition of that type; undefined when there is none. */
export function findCondition(conditions: readonly Condition[], type: string): Condition | undefined {
  return conditions.find((condition) => condition.type === type);
}

/** The conditions without the one of that type; the same list when there is none. */
export function removeCondition(conditions: readonly Condition[], type: string): readonly Condition[] {
  if (findCondition(conditions, type) === undefined) return conditions;
  return conditions.filter((condition) => condition.type !== type);
}

function sameCondition(current: Condition, next: NextCondition): boolean {
  return (
    current.status === next.status &&
    current.reason === next.reason &&
    current.message === next.message &&
    current.observedGeneration === next.observedGeneration
  );
}
