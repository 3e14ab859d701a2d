import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { registryHost } from "../../scripts/control-plane/node/addresses.ts";
import { nodeAbsent } from "../../scripts/control-plane/node/absent.ts";
import { fluxRegistry, operatorImage } from "../../scripts/quickstart/node-images.ts";
import { deploymentKind } from "../../src/kube/kinds.ts";
import { operatorVersion } from "../../src/std/version.ts";
import { namespace } from "../support/flux-cluster.ts";
import {
  chartFolder,
  helm,
  helmDone,
  helmVersions,
  type ChartName,
  type HelmRun,
  type HelmVersion,
} from "../support/helm.ts";
import { tell } from "../support/node-flux.ts";
import { reserveNode, startNodeWorld, type NodeWorld } from "../support/node-world.ts";

const absent = nodeAbsent();
const never = new AbortController().signal;
const version = "2.9.4";
const chartNames: readonly ChartName[] = ["flux-operator", "flux-instance"];
const [repository, tag] = [operatorImage.slice(0, operatorImage.lastIndexOf(":")), operatorImage.split(":").at(-1)];
const operator = ["--set", `image.repository=${repository},image.tag=${tag}`];
const flux = [
  "--set",
  `healthcheck.enabled=true,healthcheck.image.repository=${repository},healthcheck.image.tag=${tag}`,
  "--set",
  `instance.distribution.registry=${fluxRegistry},instance.components={source-controller,kustomize-controller}`,
];

/** Where both charts are in the node's registry. */
const charts = `oci://${registryHost}/charts`;
const fromRegistry = (chart: ChartName): readonly string[] => [
  `${charts}/${chart}`,
  "--version",
  operatorVersion,
  "--plain-http",
];

let reservation: AsyncDisposable;
let world: NodeWorld;

async function done(program: HelmVersion, ...args: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await run(program, ...args);
  assert.equal(exitCode, 0, stderr);
}

async function run(program: HelmVersion, ...args: readonly string[]): Promise<HelmRun> {
  return await helm(program, [...args, "--namespace", namespace], world.plane.kubeconfigPath);
}

async function deployments(): Promise<readonly string[]> {
  const { items } = await world.client.list(deploymentKind, { namespace }, never);
  return items.map(({ metadata }) => metadata.name).toSorted();
}

describe("on a node that really runs pods", { concurrency: 1, skip: absent ?? false }, () => {
  before(async () => {
    reservation = await reserveNode();
    world = await startNodeWorld(version);
    const folder = join(world.plane.folder, "charts");
    await helmDone("helm", ["package", ...chartNames.map(chartFolder), "--destination", folder]);
    for (const chart of chartNames)
      await helmDone("helm", ["push", join(folder, `${chart}-${operatorVersion}.tgz`), charts, "--plain-http"]);
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    await reservation[Symbol.asyncDispose]();
  });

  for (const program of helmVersions) {
    test(`${program} installs both charts from a registry, and the hook in the operator's image waits for Flux`, async (context) => {
      const startMs = performance.now();
      await done(
        program,
        "install",
        "flux-operator",
        ...fromRegistry("flux-operator"),
        ...operator,
        "--create-namespace",
        "--wait",
      );
      tell(context, "from helm install to a Ready operator", startMs);
      await done(
        program,
        "install",
        "flux",
        ...fromRegistry("flux-instance"),
        ...flux,
        "--set",
        `instance.distribution.version=${version}`,
      );
      tell(context, "from helm install to a Ready instance", startMs);
      assert.deepEqual(await deployments(), ["flux-operator", "kustomize-controller", "source-controller"]);
    });

    test(`${program} shows why an upgrade is not ready, and takes a rollback`, async () => {
      const bad = ["--set", "instance.distribution.version=9.x"];
      const said = await run(program, "upgrade", "flux", ...fromRegistry("flux-instance"), ...flux, ...bad);
      assert.notEqual(said.exitCode, 0);
      assert.match(
        said.stdout + said.stderr,
        /error: FluxInstance flux-system\/flux cannot become ready: NeedsNewerOperator: Cannot find a release/,
      );
      await done(program, "rollback", "flux", "1");
    });

    test(`${program} uninstalls Flux with the operator, which goes last`, async () => {
      await done(program, "uninstall", "flux-operator");
      assert.deepEqual(await deployments(), []);
      await done(program, "uninstall", "flux");
    });
  }
});
