import type { JsonObject } from "../../src/kube/object.ts";

/** Pod annotation that names how a pod ends up; absent means ready. May be set, changed and removed while the pod runs. */
export const outcomeAnnotation = "kwok.flux-operator.test/outcome";

/** Values of that annotation. */
export const outcomes = ["crash-loop", "image-pull-error", "never-ready"] as const;

export const storageClassName = "standard";
export const provisioner = "standard.flux-operator.test";

/** Stages of kwok (kwok.x-k8s.io/v1alpha1): what the fake kubelet and the volume provisioner do, as one YAML stream. */
export function stagesYaml(): string {
  const stages = [nodeReady, podReady, ...outcomes.map(podOutcome), podDeleted, volumeMade, volumeRemoved];
  return stages.map((stage) => `---\n${JSON.stringify(stage)}\n`).join("");
}

type Requirement = { readonly key: string; readonly operator: string; readonly values?: readonly string[] };

function stage(name: string, kind: string, when: readonly Requirement[], effect: JsonObject): JsonObject {
  return {
    apiVersion: "kwok.x-k8s.io/v1alpha1",
    kind: "Stage",
    metadata: { name },
    spec: {
      resourceRef: { apiGroup: "v1", kind },
      selector: { matchExpressions: when.map((requirement) => ({ jq: requirement })) },
      ...effect,
    },
  };
}

const present = (key: string): Requirement => ({ key, operator: "Exists" });
const absent = (key: string): Requirement => ({ key, operator: "DoesNotExist" });
const among = (key: string, ...values: readonly string[]): Requirement => ({ key, operator: "In", values });
const notAmong = (key: string, ...values: readonly string[]): Requirement => ({ key, operator: "NotIn", values });

const readyCondition = '.status.conditions.[] | select( .type == "Ready" ) | .status';
const outcome = `.metadata.annotations["${outcomeAnnotation}"]`;
const alive = absent(".metadata.deletionTimestamp");
const assigned = present(".spec.nodeName");

type PodPicture = {
  readonly phase: string;
  readonly ready: boolean;
  readonly state: string;
  readonly restarts: number;
};

const runningState = "{ running: { startedAt: {{ $now | Quote }} } }";

/** `repository@sha256:..` as a container runtime reports it; without a digest in the reference, one made of the reference. */
const imageId =
  '{{ if contains "@" .image }}{{ regexReplaceAll ":[^:/@]+@" .image "@" | Quote }}{{ else }}{{ printf "%s@sha256:%s" (regexReplaceAll ":[^:/@]+$" .image "") (sha256sum .image) | Quote }}{{ end }}';

/** Container states as YAML flow mappings; `unless` is false once the pod shows them. */
const failures = {
  "crash-loop": {
    phase: "Running",
    state:
      '{ waiting: { reason: CrashLoopBackOff, message: "back-off 5m0s restarting failed container" } }, lastState: { terminated: { exitCode: 1, reason: Error, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }} } }',
    restarts: 5,
    unless: notAmong(".status.containerStatuses.[].state.waiting.reason", "CrashLoopBackOff"),
  },
  "image-pull-error": {
    phase: "Pending",
    state:
      '{ waiting: { reason: ImagePullBackOff, message: {{ printf "Back-off pulling image %q" .image | Quote }} } }',
    restarts: 0,
    unless: notAmong(".status.containerStatuses.[].state.waiting.reason", "ImagePullBackOff"),
  },
  "never-ready": {
    phase: "Running",
    state: runningState,
    restarts: 0,
    unless: notAmong(readyCondition, "False"),
  },
} satisfies Record<(typeof outcomes)[number], Omit<PodPicture, "ready"> & { readonly unless: Requirement }>;

const nodeReady = stage("node-ready", "Node", [notAmong(readyCondition, "True")], {
  next: {
    statusTemplate: `
{{ $now := Now }}
phase: Running
conditions:
{{ range NodeConditions }}
- { type: {{ .type | Quote }}, status: {{ .status | Quote }}, reason: {{ .reason | Quote }}, message: {{ .message | Quote }}, lastHeartbeatTime: {{ $now | Quote }}, lastTransitionTime: {{ $now | Quote }} }
{{ end }}
addresses:
- { type: Hostname, address: {{ .metadata.name | Quote }} }
- { type: InternalIP, address: {{ NodeIP | Quote }} }
allocatable: { cpu: "1000", memory: 4Ti, ephemeral-storage: 4Ti, pods: "10000" }
capacity: { cpu: "1000", memory: 4Ti, ephemeral-storage: 4Ti, pods: "10000" }
nodeInfo:
  architecture: amd64
  bootID: ""
  containerRuntimeVersion: kwok
  kernelVersion: kwok
  kubeProxyVersion: kwok
  kubeletVersion: {{ index .metadata.annotations "kwok.flux-operator.test/kubelet-version" | Quote }}
  machineID: ""
  operatingSystem: linux
  osImage: kwok
  systemUUID: ""
`,
  },
});

const podReady = stage("pod-ready", "Pod", [alive, assigned, absent(outcome), notAmong(readyCondition, "True")], {
  next: { statusTemplate: podStatus({ phase: "Running", ready: true, state: runningState, restarts: 0 }) },
});

const podDeleted = stage("pod-deleted", "Pod", [assigned, present(".metadata.deletionTimestamp")], {
  next: { delete: true },
});

function podOutcome(name: (typeof outcomes)[number]): JsonObject {
  const container = failures[name];
  return stage(`pod-${name}`, "Pod", [alive, assigned, among(outcome, name), container.unless], {
    next: { statusTemplate: podStatus({ ...container, ready: false }) },
  });
}

function podStatus({ phase, ready, state, restarts }: PodPicture): string {
  return `
{{ $now := Now }}
phase: ${phase}
startTime: {{ or .status.startTime $now | Quote }}
conditions:
${condition("PodReadyToStartContainers", true)}
${condition("Initialized", true)}
${condition("ContainersReady", ready)}
${condition("Ready", ready)}
hostIP: {{ NodeIP | Quote }}
hostIPs: [{ ip: {{ NodeIP | Quote }} }]
{{ $ip := or .status.podIP (index (PodIPsWith .spec.nodeName (or .spec.hostNetwork false) (or .metadata.uid "") .metadata.name .metadata.namespace) 0) }}
podIP: {{ $ip | Quote }}
podIPs: [{ ip: {{ $ip | Quote }} }]
containerStatuses:
{{ range .spec.containers }}
- { name: {{ .name | Quote }}, image: {{ .image | Quote }}, imageID: ${phase === "Pending" ? '""' : imageId}, ready: ${ready}, started: ${phase === "Running" && state === runningState}, restartCount: ${restarts}, state: ${state} }
{{ end }}
{{ with .spec.initContainers }}
initContainerStatuses:
{{ range . }}
- { name: {{ .name | Quote }}, image: {{ .image | Quote }}, imageID: ${imageId}, ready: true, restartCount: 0, state: { terminated: { exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }} } } }
{{ end }}
{{ end }}
`;
}

/** Of a pod; entries of the list are merged by type. */
function condition(type: string, status: boolean): string {
  const why = status ? "" : ', reason: ContainersNotReady, message: "containers are not ready"';
  return `- { type: ${type}, status: "${status ? "True" : "False"}", lastTransitionTime: {{ $now | Quote }}${why} }`;
}

/** A volume per claim once its first consumer is scheduled (WaitForFirstConsumer); the controller manager then binds the two. */
const volumeMade = stage(
  "volume-made",
  "PersistentVolumeClaim",
  [
    alive,
    among(".spec.storageClassName", storageClassName),
    absent(".spec.volumeName"),
    present('.metadata.annotations["volume.kubernetes.io/selected-node"]'),
  ],
  {
    steps: [
      {
        apply: {
          template: `
apiVersion: v1
kind: PersistentVolume
metadata:
  name: pvc-{{ .metadata.uid }}
  annotations: { pv.kubernetes.io/provisioned-by: ${provisioner} }
spec:
  accessModes: {{ toJson .spec.accessModes }}
  capacity: {{ toJson .spec.resources.requests }}
  persistentVolumeReclaimPolicy: Delete
  storageClassName: ${storageClassName}
  volumeMode: {{ or .spec.volumeMode "Filesystem" }}
  claimRef: { apiVersion: v1, kind: PersistentVolumeClaim, namespace: {{ .metadata.namespace | Quote }}, name: {{ .metadata.name | Quote }}, uid: {{ .metadata.uid | Quote }} }
  hostPath: { path: "/var/lib/kwok/pvc-{{ .metadata.uid }}", type: DirectoryOrCreate }
`,
        },
      },
    ],
  },
);

const volumeRemoved = stage(
  "volume-removed",
  "PersistentVolume",
  [
    alive,
    among(".spec.storageClassName", storageClassName),
    among(".spec.persistentVolumeReclaimPolicy", "Delete"),
    among(".status.phase", "Released"),
  ],
  { steps: [{ delete: true }] },
);
