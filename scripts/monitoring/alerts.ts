import type { Alert } from "./alert.ts";

/** After how many days an alert tells that an instance is not up to date. Two weeks have room for a window and for a release that is held back. */
const outdatedDays = 14;
/** How many days before its end a certificate is told. Who renews by ACME has done so weeks before. */
const certificateDays = 7;
/** What a reconcile may take, beside twice its interval, before the operator counts as silent: two long waits for health. */
const reconcileMinutes = 60;
const daySeconds = 86_400;

/**
 * What names an instance over all processes that tell of it, of which there are two during an update. `cluster` is a label of those who collect
 * several clusters in one place; where there is none it does no harm.
 */
const instance = "cluster, exported_namespace, name";
const named = "FluxInstance {{ $labels.exported_namespace }}/{{ $labels.name }}";

const conditionIs = (type: string, status: string): string =>
  `max by (${instance}) (flux_instance_condition{type="${type}", status="${status}"})`;

/** Who disables the reconciliation of an instance knows of it. */
const unlessSuspended = `unless on (${instance}) flux_instance_info{suspended="True"}`;

/** All alerts, the most urgent first. No threshold stands anywhere else. */
export const alerts: readonly Alert[] = [
  {
    name: "FluxOperatorAbsent",
    expr: "absent(flux_operator_info)",
    forMinutes: 10,
    severity: "critical",
    summary: "No Flux operator is scraped",
    description:
      "Prometheus has had no metrics of a Flux operator for 10 minutes: no pod of it runs, or Prometheus does not find or reach it. Flux goes on running, but nothing installs, upgrades or repairs it. Look at the Deployment flux-operator and its pods, then at the targets of Prometheus.",
    runbook: "troubleshooting.md#the-operator-itself",
  },
  {
    name: "FluxOperatorWithoutLeader",
    expr: 'max by (cluster, namespace, name) (leader_election_master_status{name="flux-operator"}) == 0',
    forMinutes: 5,
    severity: "critical",
    summary: "No Flux operator holds the lease",
    description:
      "For 5 minutes no process of the Flux operator has held the Lease flux-operator, and only a leader reconciles. Its log says who holds the lease, or why it cannot be had: the rights to leases are missing, or the API server does not answer.",
    runbook: "troubleshooting.md#the-operator-itself",
  },
  {
    name: "FluxOperatorSilent",
    expr: [
      `time() - max by (${instance}) (flux_instance_last_reconcile_timestamp_seconds)`,
      `> 2 * (max by (${instance}) (flux_instance_reconcile_interval_seconds) > 0) + ${reconcileMinutes * 60}`,
    ].join("\n  "),
    forMinutes: 5,
    severity: "critical",
    summary: "A FluxInstance is not reconciled any more",
    description: `${named} was last reconciled {{ $value | humanizeDuration }} ago, which is longer than twice its interval and ${reconcileMinutes} minutes: drift is not repaired, and upgrades do not begin. The log of the operator tells what it waits for; if it tells nothing, restart it.`,
    runbook: "troubleshooting.md#the-operator-itself",
  },
  {
    name: "FluxInstanceNotReady",
    expr: `${conditionIs("Ready", "True")} == 0\n  ${unlessSuspended}`,
    forMinutes: 15,
    severity: "critical",
    summary: "A FluxInstance is not Ready",
    description: `${named} has not been Ready for 15 minutes. The message of its condition Ready names the object, and what to do.`,
    runbook: "troubleshooting.md#ready",
  },
  {
    name: "FluxInstanceStalled",
    expr: `${conditionIs("Stalled", "True")} == 1\n  ${unlessSuspended}`,
    forMinutes: 5,
    severity: "critical",
    summary: "A FluxInstance is Stalled",
    description: `${named} is not retried any more: only a change of its spec, or what the message of its condition Stalled says, helps.`,
    runbook: "troubleshooting.md#reconciling-and-stalled",
  },
  {
    name: "FluxInstanceRolledBack",
    expr: `max by (${instance}) (flux_instance_rolled_back) == 1`,
    forMinutes: 1,
    severity: "warning",
    summary: "An upgrade of Flux was rolled back",
    description: `An upgrade of ${named} has failed, and the revision before it runs again. The message of its condition UpToDate has the cause, and the time of the next try.`,
    runbook: "upgrades.md#when-an-upgrade-fails",
  },
  {
    name: "FluxInstanceOutdated",
    expr: [
      `time() - max by (${instance}) (flux_instance_condition_transition_timestamp_seconds{type="UpToDate"}) > ${outdatedDays} * ${daySeconds}`,
      `and on (${instance}) ${conditionIs("UpToDate", "False")} == 1`,
    ].join("\n  "),
    forMinutes: 15,
    severity: "warning",
    summary: `Flux has not been up to date for ${outdatedDays} days`,
    description: `${named} has not run the newest version for {{ $value | humanizeDuration }}. The message of its condition UpToDate says what it waits for: the range of the spec, a window, an approval, the registry, or a newer operator.`,
    runbook: "troubleshooting.md#uptodate",
  },
  {
    name: "FluxRegistryCertificateExpires",
    expr: `min by (cluster, host) (flux_operator_registry_certificate_expiry_timestamp_seconds) - time() < ${certificateDays} * ${daySeconds}`,
    forMinutes: 15,
    severity: "warning",
    summary: "The TLS certificate of a registry expires soon",
    description: `The certificate of the registry {{ $labels.host }} is valid for {{ $value | humanizeDuration }} from now, or expired that long ago where this begins with a minus. Renew it: with an expired one neither the operator nor the nodes pull anything from there.`,
    runbook: "troubleshooting.md#the-operator-itself",
  },
  {
    name: "FluxOperatorWatchFailing",
    expr: "max by (cluster, kind, reason) (flux_operator_watch_failing) == 1",
    forMinutes: 15,
    severity: "warning",
    summary: "The Flux operator cannot watch a kind",
    description:
      "The operator has not been able to watch {{ $labels.kind }} for 15 minutes ({{ $labels.reason }}): drift of these objects is repaired only when the instance is reconciled. Give it its rights back, or see why the API server does not answer.",
    runbook: "troubleshooting.md#unattended-and-warning",
  },
  {
    name: "FluxNotificationsLost",
    expr: 'sum by (cluster, namespace) (increase(flux_operator_notifications_total{result=~"refused|dropped"}[1h])) > 0',
    forMinutes: 1,
    severity: "warning",
    summary: "Notifications of the Flux operator were lost",
    description:
      "Within the last hour notification-controller has refused notifications of the Flux operator, or has not answered for so long that they were dropped. Events of Kubernetes and the conditions have them all. The log of the operator says why.",
    runbook: "notifications.md#when-none-arrives",
  },
];
