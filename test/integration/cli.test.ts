import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fluxInstanceCrd } from "../../src/api/crd.ts";
import { inventoryOf } from "../../src/apply/inventory.ts";
import { fieldsOf } from "../../src/kube/fields.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { compareForFluxApply } from "../../src/render/apply-order.ts";
import { parseKubeYaml, parseKubeYamlDocuments } from "../../src/std/yaml.ts";
import { readRenderInput, render } from "../support/build-from-yaml.ts";
import { startControlPlane, type ControlPlane } from "../support/control-plane.ts";
import { isReady, manifest, startFluxCluster } from "../support/flux-cluster.ts";

const root = join(import.meta.dirname, "../..");
const launcher = join(root, "bin/flux-operator");
const example = join(root, "examples/flux-instance-rfc.yaml");
const exampleText = readFileSync(example, "utf8");
const wanted = render(readRenderInput(exampleText)).objects.toSorted(compareForFluxApply);

type Ran = { readonly exitCode: number | null; readonly stdout: string; readonly stderr: string };
type RunOptions = { readonly input?: string; readonly env?: { readonly [name: string]: string } };

async function run(path: string, args: readonly string[], { input = "", env = {} }: RunOptions = {}): Promise<Ran> {
  const child = spawn(path, args, { env: { PATH: process.env["PATH"] ?? "", ...env } });
  child.stdin.on("error", () => undefined); // who fails early reads no input
  child.stdin.end(input);
  const exited = once(child, "close");
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  await exited;
  return { exitCode: child.exitCode, stdout, stderr };
}

const build = (args: readonly string[], options?: RunOptions) => run(launcher, ["build", "instance", ...args], options);

test("build instance prints what the operator renders, with neither network nor writes nor processes", async () => {
  const env = { NODE_OPTIONS: "--permission --allow-fs-read=*" };
  const { exitCode, stdout, stderr } = await build(["-f", example], { env });
  assert.equal(exitCode, 0, stderr);
  assert.deepEqual(parseKubeYamlDocuments(stdout), wanted);
  assert.match(stderr, /^\S+flux-instance-rfc.yaml: spec.kustomize.patches\[0\] matched 6 objects: Deployment\//);
});

test("build instance reads standard input and prints a v1 List", async () => {
  const { exitCode, stdout } = await build(["-f", "-", "-o", "json"], { input: exampleText });
  const { kind, items } = fieldsOf(JSON.parse(stdout));
  assert.deepEqual({ exitCode, kind }, { exitCode: 0, kind: "List" });
  assert.deepEqual(items, wanted);
});

test("build instance prints the same bytes every time", async () => {
  assert.equal((await build(["-f", example])).stdout, (await build(["-f", example])).stdout);
});

test("build instance ends with 1 and prints no object when the input is bad", async () => {
  const { exitCode, stdout, stderr } = await build(["-f", "-"], {
    input: exampleText.replace("helm-controller\n", "helm\n"),
  });
  assert.deepEqual({ exitCode, stdout }, { exitCode: 1, stdout: "" });
  assert.match(stderr, /^error: standard input: Cannot use this FluxInstance:\n {2}spec.components\[2\] is "helm", /);
});

test("build instance does not mind a reader that stops", async () => {
  const script = `set -o pipefail; '${launcher}' build instance -f '${example}' | head -n 1`;
  const { exitCode, stdout, stderr } = await run("bash", ["-c", script]);
  assert.deepEqual({ exitCode, stdout }, { exitCode: 0, stdout: "---\n" });
  assert.doesNotMatch(stderr, /EPIPE/);
});

test("diff instance", async (context) => {
  await using plane = await startControlPlane({ variant: "light" });
  const diff = (input: string, args: readonly string[] = ["--kubeconfig", plane.kubeconfigPath]) =>
    run(launcher, ["diff", "instance", "-f", "-", ...args], { input });

  await context.test("shows all as created on an empty cluster", async () => {
    const { exitCode, stdout, stderr } = await diff(exampleText);
    assert.equal(exitCode, 1, stderr);
    const headings = stdout.split("\n").filter((line) => line.startsWith("# "));
    assert.equal(headings.length, wanted.length);
    assert.match(headings[0] ?? "", /^# CustomResourceDefinition\/alerts\.\S+ created \(\d+ lines\)$/);
    assert.match(stdout, /\n# Deployment\/flux-system\/source-controller created\n\+apiVersion: apps\/v1\n/);
    assert.equal(
      lastLine(stderr),
      `${wanted.length} objects: ${wanted.length} created, 0 changed, 0 pruned, 0 unchanged`,
    );
  });

  await context.test("shows nothing when all is applied", async () => {
    await applyBuilt(plane);
    const { exitCode, stdout, stderr } = await diff(exampleText);
    assert.deepEqual({ exitCode, stdout }, { exitCode: 0, stdout: "" });
    assert.equal(
      lastLine(stderr),
      `${wanted.length} objects: 0 created, 0 changed, 0 pruned, ${wanted.length} unchanged`,
    );
  });

  await context.test("shows what is changed by hand, and takes KUBECONFIG from the environment", async () => {
    const path = "/apis/apps/v1/namespaces/flux-system/deployments/notification-controller";
    await plane.rest.patch(path, { spec: { replicas: 3 } });
    const env = { KUBECONFIG: plane.kubeconfigPath };
    const { exitCode, stdout } = await run(launcher, ["diff", "instance", "-f", example], { env });
    assert.equal(exitCode, 1);
    assert.match(
      stdout,
      /^# Deployment\/flux-system\/notification-controller changed\n--- live\n\+\+\+ applied\n@@ -\d+,7 \+\d+,7 @@\n/,
    );
    assert.deepEqual(changedLines(stdout), ["-  replicas: 3", "+  replicas: 1"]);
    await plane.rest.patch(path, { spec: { replicas: 1 } });
  });

  await context.test("shows what a smaller spec changes and prunes, but for what is not ours or is kept", async () => {
    await installInstance(plane);
    const smaller = exampleText.replace("    - image-automation-controller\n", "").replace("    - shard2\n", "");
    const { exitCode, stdout, stderr } = await diff(smaller);
    assert.equal(exitCode, 1, stderr);
    const pruned = stdout.split("\n").filter((line) => line.endsWith(" pruned"));
    assert.ok(pruned.includes("# Deployment/flux-system/image-automation-controller pruned"));
    assert.ok(pruned.includes("# Deployment/flux-system/helm-controller-shard2 pruned"));
    assert.ok(pruned.includes("# ConfigMap/flux-system/stale pruned"));
    assert.deepEqual(
      pruned.filter((line) => line.includes("foreign") || line.includes("kept")),
      [],
    );
    assert.match(
      lastLine(stderr),
      new RegExp(`^\\d+ objects: 0 created, \\d+ changed, ${pruned.length} pruned, \\d+ unchanged$`),
    );
  });

  await context.test("warns where another release would have to wait", async () => {
    const { stderr } = await diff(`${exampleText}  upgrade:\n    paused: true\n`);
    assert.match(
      stderr,
      /spec\.upgrade\.paused is true: if another release of Flux runs, the operator stays with it\n/,
    );
  });

  await context.test("wrote nothing", async () => {
    const events = await plane.auditEvents();
    const ours = events.filter(({ userAgent }) => userAgent?.startsWith("flux-operator-cli/"));
    const writes = ours.filter(({ verb }) => !["get", "list", "watch"].includes(verb));
    assert.ok(writes.length > wanted.length);
    assert.deepEqual(
      writes.filter(({ requestURI }) => !requestURI.includes("dryRun=All")),
      [],
    );
  });

  await context.test("ends with 2 when the API server refuses an object, and names it", async () => {
    const patch =
      "    patches:\n      - target: {kind: Service, name: webhook-receiver}\n        patch: '[{op: replace, path: /spec/ports/0/port, value: 99999}]'\n";
    const { exitCode, stdout, stderr } = await diff(exampleText.replace("    patches:\n", patch));
    assert.deepEqual({ exitCode, stdout }, { exitCode: 2, stdout: "" });
    assert.match(
      stderr,
      /error: Cannot apply Service\/flux-system\/webhook-receiver: the API server refuses it: .*99999/,
    );
  });

  await context.test("ends with 2 when it may not ask", async () => {
    const kubeconfig = await plane.kubeconfigFor({ user: "nobody" });
    const { exitCode, stdout, stderr } = await diff(exampleText, ["--kubeconfig", kubeconfig]);
    assert.deepEqual({ exitCode, stdout }, { exitCode: 2, stdout: "" });
    assert.match(stderr, /error: Cannot apply \S+: .* is forbidden: User "nobody" cannot patch resource/);
    assert.equal(lastLine(stderr), `error: and ${wanted.length - 10} more of this kind`);
  });

  await context.test("ends with 2 for a context that is not there", async () => {
    const { exitCode, stderr } = await diff(exampleText, ["--kubeconfig", plane.kubeconfigPath, "--context", "nope"]);
    assert.equal(exitCode, 2);
    assert.match(lastLine(stderr), /^error: Cannot .*nope/);
  });
});

test("diff instance shows nothing where the operator has settled the instance", async () => {
  await using cluster = await startFluxCluster();
  await served(cluster.plane, instances.replace("/v1/", "/v1alpha1/"));
  await cluster.apply(await manifest("examples/flux-instance-rfc.yaml"));
  await cluster.instanceWhen("ready", isReady);
  const env = { KUBECONFIG: cluster.plane.kubeconfigPath };
  const { exitCode, stdout, stderr } = await run(launcher, ["diff", "instance", "-f", example], { env });
  assert.deepEqual({ exitCode, stdout }, { exitCode: 0, stdout: "" }, stderr);
});

/** As a user would do it by hand, under the operator's name. */
async function applyBuilt(plane: ControlPlane): Promise<void> {
  const { stdout } = await build(["-f", example]);
  const flags = ["--server-side", "--field-manager=flux-operator", "--kubeconfig", plane.kubeconfigPath, "-f", "-"];
  const { exitCode, stderr } = await run(plane.binaries.kubectl, ["apply", ...flags], {
    input: stdout,
    env: { HOME: plane.folder }, // for kubectl's cache
  });
  assert.equal(exitCode, 0, stderr);
}

const instances = "/apis/fluxcd.controlplane.io/v1/namespaces/flux-system/fluxinstances";

/** The instance as it stands after the operator applied it, with three more objects on its record. */
async function installInstance(plane: ControlPlane): Promise<void> {
  await plane.rest.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", fluxInstanceCrd());
  await served(plane, instances);
  const ours = { "fluxcd.controlplane.io/name": "flux", "fluxcd.controlplane.io/namespace": "flux-system" };
  const extra = [
    configMap("stale", { labels: ours }),
    configMap("foreign", {}),
    configMap("kept", { labels: ours, annotations: { "fluxcd.controlplane.io/prune": "disabled" } }),
  ];
  for (const object of extra) await plane.rest.create("/api/v1/namespaces/flux-system/configmaps", object);
  await plane.rest.create(instances, {
    ...fieldsOf(parseKubeYaml(exampleText)),
    apiVersion: "fluxcd.controlplane.io/v1",
  });
  const entries = inventoryOf([...wanted, ...extra]).map(({ id, v }): JsonObject => ({ id, v }));
  await plane.rest.patch(`${instances}/flux/status`, { status: { inventory: { entries } } });
}

/** The API server serves a new kind a moment after it took its definition. */
async function served({ rest }: ControlPlane, path: string): Promise<void> {
  for (let left = 200; left > 0; left -= 1) {
    if ((await rest.request("GET", path)).status === 200) return;
    await sleep(50);
  }
  assert.fail("FluxInstance was not served in 10 s");
}

function configMap(name: string, metadata: JsonObject): KubeObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "flux-system", ...metadata } };
}

function changedLines(diff: string): readonly string[] {
  return diff.split("\n").filter((line) => /^[-+](?![-+]{2} )/.test(line));
}

function lastLine(output: string): string {
  return output.trimEnd().split("\n").at(-1) ?? "";
}
