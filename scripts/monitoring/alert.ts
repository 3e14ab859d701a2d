/** An alert rule of Prometheus, in whole minutes. */
export type Alert = {
  readonly name: string;
  readonly expr: string;
  /** How long the expression must hold. */
  readonly forMinutes: number;
  /** "critical": Flux is not managed, or not healthy. "warning": nothing is broken yet. */
  readonly severity: "critical" | "warning";
  readonly summary: string;
  /** What it means and what to do; `{{ $labels.x }}` as Prometheus replaces it. */
  readonly description: string;
  /** A heading of docs/, as "troubleshooting.md#ready". */
  readonly runbook: string;
};
