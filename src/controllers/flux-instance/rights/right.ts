// Tests: test/rights.test.ts
/**
 * One rule of RBAC, and why the operator has it. `cluster` rules hold in all namespaces and for kinds without one; `namespace` rules only in
 * the namespace that the operator runs in.
 */
export type Right = {
  readonly scope: "cluster" | "namespace";
  readonly group: string;
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  /** The only objects that the rule is about; absent where it is about all. */
  readonly names?: readonly string[];
  /** What the operator does with it, as the end of "The operator may, because ...". */
  readonly why: string;
  /** Verbs that the preflight does not ask for: what lacks them does without, or fails before the first write, and says so. */
  readonly optional?: readonly string[];
  /** Verbs that no request of test/integration/rights.test.ts needs, and what needs them instead. */
  readonly unseen?: { readonly verbs: readonly string[]; readonly because: string };
};
