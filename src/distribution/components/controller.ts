import type { JsonObject, KubeObject } from "../../kube/object.ts";
import type { ComponentName } from "../release.ts";
import type { Shapes } from "../shapes.ts";

type Port = { readonly name: string; readonly containerPort: number };
type Mount = { readonly name: string; readonly mountPath: string };

/** What differs between controllers; everything else is common. */
export type Controller = {
  readonly name: ComponentName;
  /** Arguments before and after the four that all controllers have. */
  readonly leadingArgs: readonly string[];
  readonly trailingArgs: readonly string[];
  readonly env: readonly { readonly name: string; readonly value: string }[];
  /** Ports before `http-prom` and `healthz`. */
  readonly ports: readonly Port[];
  readonly readiness: { readonly path: string; readonly port: string };
  readonly cpuRequest: string;
  /** Each is an emptyDir of its own. */
  readonly mounts: readonly Mount[];
  readonly criticalPod: boolean;
  readonly terminationGracePeriodSeconds: number;
  /** Whether the old pod ends before the new one starts: two pods must never share the storage that its Service points at. */
  readonly recreate: boolean;
  readonly services: readonly {
    readonly name: string;
    readonly controlPlane: string;
    readonly targetPort: string;
  }[];
};

/** A CRD as controller-gen prints it, without descriptions and metadata. */
export type CrdSchema = { readonly name: string; readonly spec: JsonObject };

/** What a release has of one controller: image tag, CRDs, and shapes. */
export type ControllerBuild = { readonly tag: string; readonly crds: readonly CrdSchema[]; readonly shapes: Shapes };

/** The flag of the address to which controllers send events. */
export const eventsArg = "--events-addr=http://notification-controller.flux-system.svc.cluster.local./";

const commonArgs = ["--watch-all-namespaces", "--log-level=info", "--log-encoding=json", "--enable-leader-election"];

/** The objects of `<component>.yaml`, in its order. */
export function buildController(controller: Controller, build: ControllerBuild): readonly KubeObject[] {
  return [
    ...build.crds.map((crd, index) => buildCrd(controller, build, { crd, first: index === 0 })),
    {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name: controller.name, labels: componentLabels(controller, build.shapes.partOfEverywhere) },
    },
    ...controller.services.map((service) => buildService(controller, build.shapes, service)),
    buildDeployment(controller, build),
  ];
}

function componentLabels(controller: Controller, partOf: boolean): { readonly [key: string]: string } {
  return {
    "app.kubernetes.io/component": controller.name,
    ...(partOf ? { "app.kubernetes.io/part-of": "flux" } : {}),
  };
}

function buildCrd(
  controller: Controller,
  { shapes }: ControllerBuild,
  { crd, first }: { readonly crd: CrdSchema; readonly first: boolean },
): KubeObject {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: {
      name: crd.name,
      labels: componentLabels(controller, shapes.partOfEverywhere || first),
      ...(shapes.crdsOptOutOfSubstitution
        ? { annotations: { "kustomize.toolkit.fluxcd.io/substitute": "disabled" } }
        : {}),
    },
    spec: crd.spec,
  };
}

function buildService(
  controller: Controller,
  shapes: Shapes,
  service: { readonly name: string; readonly controlPlane: string; readonly targetPort: string },
): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name: service.name,
      labels: { ...componentLabels(controller, shapes.partOfEverywhere), "control-plane": service.controlPlane },
    },
    spec: {
      type: "ClusterIP",
      selector: { app: controller.name },
      ports: [{ name: "http", port: 80, protocol: "TCP", targetPort: service.targetPort }],
    },
  };
}

function buildDeployment(controller: Controller, build: ControllerBuild): KubeObject {
  const { shapes } = build;
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: {
      name: controller.name,
      labels: { ...componentLabels(controller, shapes.partOfEverywhere), "control-plane": "controller" },
    },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: controller.name } },
      ...(controller.recreate ? { strategy: { type: "Recreate" } } : {}),
      template: {
        metadata: {
          annotations: { "prometheus.io/port": "8080", "prometheus.io/scrape": "true" },
          labels: { app: controller.name, ...(shapes.podLabels ? componentLabels(controller, true) : {}) },
        },
        spec: buildPodSpec(controller, build),
      },
    },
  };
}

function buildPodSpec(controller: Controller, build: ControllerBuild): JsonObject {
  return {
    serviceAccountName: controller.name,
    securityContext: { fsGroup: 1337 },
    terminationGracePeriodSeconds: controller.terminationGracePeriodSeconds,
    ...(controller.criticalPod ? { priorityClassName: "system-cluster-critical" } : {}),
    containers: [buildContainer(controller, build)],
    volumes: controller.mounts.map(({ name }) => ({ name, emptyDir: {} })),
  };
}

function buildContainer(controller: Controller, { tag, shapes }: ControllerBuild): JsonObject {
  return {
    name: "manager",
    image: `fluxcd/${controller.name}:${tag}`,
    imagePullPolicy: "IfNotPresent",
    args: [...controller.leadingArgs, ...commonArgs, ...controller.trailingArgs],
    env: [
      { name: "RUNTIME_NAMESPACE", valueFrom: { fieldRef: { fieldPath: "metadata.namespace" } } },
      ...controller.env,
      ...shapes.goRuntimeLimits.map(({ variable, resource }) => ({
        name: variable,
        valueFrom: { resourceFieldRef: { containerName: "manager", resource } },
      })),
    ],
    ports: [
      ...controller.ports,
      { name: "http-prom", containerPort: 8080 },
      { name: "healthz", containerPort: 9440 },
    ].map(({ name, containerPort }) => ({ name, containerPort, protocol: "TCP" })),
    livenessProbe: { httpGet: { path: "/healthz", port: "healthz" } },
    readinessProbe: { httpGet: { ...controller.readiness } },
    resources: {
      limits: { cpu: "1000m", memory: "1Gi" },
      requests: { cpu: controller.cpuRequest, memory: "64Mi" },
    },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      capabilities: { drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    },
    volumeMounts: controller.mounts.map((mount) => ({ ...mount })),
  };
}
