import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { loadRelease } from "../../src/distribution/load.ts";
import { deploymentKind } from "../../src/kube/kinds.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { artifactFiles } from "../support/artifact-of.ts";
import { azureClient, cloudHosts, roleArn } from "../support/clouds/cloud.ts";
import { startCloudStandIns, strayed } from "../support/clouds/cloud-stand-ins.ts";
import type { CloudStandIns } from "../support/clouds/cloud-stand-ins.ts";
import {
  condition,
  isReady,
  namespace,
  startFluxCluster,
  statusOf,
  type FluxCluster,
} from "../support/flux-cluster.ts";
import { htpasswd, pushImage, startRegistry, type RegistryProcess, reader as login } from "../support/registry.ts";
import { tarGzOf } from "../support/tarball.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");
const signal = AbortSignal.timeout(580_000);
const repository = "org/manifests";
const components = ["source-controller", "kustomize-controller"];

let folder: string;
/** Where every connection of the operator is written, and where all that it may write as a file would be. */
let connections: string;
let home: string;
let cluster: FluxCluster;
let open: RegistryProcess;
let basic: RegistryProcess;
let clouds: CloudStandIns;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "egress-"));
  [connections, home] = [join(folder, "connections"), await mkdtemp(join(folder, "home-"))];
  await writeFile(connections, "");
  open = await startRegistry({ kind: "open" }, signal);
  basic = await startRegistry({ kind: "htpasswd", htpasswd }, signal);
  clouds = await startCloudStandIns(open.host);
  const tarball = join(folder, "artifact.tgz");
  await writeFile(tarball, await tarGzOf(Object.fromEntries(artifactFiles(loadRelease("2.9.4")))));
  await pushImage({ tarball, to: `${open.host}/${repository}:v1` }, signal);
  await pushImage({ tarball, to: `${basic.host}/${repository}:v1`, login }, signal);
  cluster = await startFluxCluster({ env: await environment() });
});
after(async () => {
  await cluster?.[Symbol.asyncDispose]();
  await Promise.all([open, basic, clouds].map((server) => server?.[Symbol.asyncDispose]()));
  await rm(folder, { recursive: true, force: true });
});

/** Of a pod that has an identity in two clouds and reaches the world through a proxy. */
async function environment(): Promise<{ readonly [name: string]: string }> {
  const [aws, azure] = [join(folder, "aws-token"), join(folder, "azure-token")];
  await writeFile(aws, clouds.podToken({ audience: "sts.amazonaws.com", shownTo: cloudHosts.sts }));
  await writeFile(azure, clouds.podToken({ audience: "api://AzureADTokenExchange", shownTo: cloudHosts.entra }));
  const recorder = pathToFileURL(join(import.meta.dirname, "../support/record-connections.ts"));
  return {
    NODE_OPTIONS: `--import=${recorder.href}`,
    RECORD_CONNECTIONS: connections,
    HOME: home,
    TMPDIR: home,
    HTTPS_PROXY: clouds.proxy,
    AWS_ROLE_ARN: roleArn,
    AWS_WEB_IDENTITY_TOKEN_FILE: aws,
    AWS_REGION: "eu-west-1",
    AZURE_CLIENT_ID: azureClient.clientId,
    AZURE_TENANT_ID: azureClient.tenantId,
    AZURE_FEDERATED_TOKEN_FILE: azure,
    AZURE_AUTHORITY_HOST: `https://${cloudHosts.entra}/`,
  };
}

/** To where the operator has opened connections so far, and which names it has looked up, each once. */
async function reached(): Promise<readonly string[]> {
  const lines = (await readFile(connections, "utf8")).split("\n").filter((line) => line !== "");
  return [...new Set(lines)].toSorted();
}

const apiServer = (): string => `connect ${new URL(cluster.plane.server).host}`;

const instance = (distribution: JsonObject): JsonObject => ({
  apiVersion: "fluxcd.controlplane.io/v1",
  kind: "FluxInstance",
  metadata: { name: "flux", namespace, annotations: { "fluxcd.controlplane.io/reconcileArtifactEvery": "1s" } },
  spec: { distribution, components },
});

const runs = (version: string) => (object: KubeObject) =>
  isReady(object) && statusOf(object)["lastAppliedVersion"] === version;

async function secret(name: string, parts: JsonObject): Promise<void> {
  await cluster.apply({ apiVersion: "v1", kind: "Secret", metadata: { name, namespace }, ...parts });
}

describe("what the operator reaches", { concurrency: 1 }, () => {
  test("with source Embedded: the API server and nothing else, from install over repair to upgrade", async () => {
    const registry = "ghcr.io/fluxcd";
    await cluster.apply(instance({ version: "2.8.x", registry, source: "Embedded" }));
    await cluster.instanceWhen("installed", runs("2.8.8"));
    const key = { namespace, name: "source-controller" };
    const { metadata } = await cluster.client.get(deploymentKind, key, signal);
    await cluster.client.delete({ gvk: deploymentKind, key }, {}, signal);
    await cluster.objectWhen(deploymentKind, "repaired", (one) => one.metadata.uid !== metadata.uid, key);
    await cluster.apply(instance({ version: "2.9.4", registry, source: "Embedded" }));
    await cluster.instanceWhen("upgraded", runs("2.9.4"));
    await cluster.reconcile();
    assert.deepEqual(await reached(), [apiServer()]);
  });

  test("with an artifact at a cloud: its proxy too, which shows that the record is one", async () => {
    await secret("clouds-ca", { stringData: { "ca.crt": clouds.caPem } });
    const artifact = `oci://${cloudHosts.ecr}/${repository}:v1`;
    const distribution = { version: "2.9.4", registry: "ghcr.io/fluxcd", artifact };
    await cluster.apply(instance({ ...distribution, artifactCertSecretRef: { name: "clouds-ca" } }));
    const ready = await cluster.instanceWhen("from ECR", (object) => isCurrent(object));
    assert.ok(isReady(ready));
    assert.deepEqual(await reached(), [apiServer(), `connect ${new URL(clouds.proxy).host}`].toSorted());
  });
});

const isCurrent = (object: KubeObject): boolean =>
  isReady(object) &&
  statusOf(object)["lastArtifactRevision"] !== undefined &&
  condition(object, "UpToDate")?.startsWith("True/") === true;

describe("logins of an operator in a cluster", { concurrency: 1 }, () => {
  for (const { name, host, loses, says } of [
    {
      name: "ECR",
      host: cloudHosts.ecr,
      loses: `${cloudHosts.sts} does not give the operator's ServiceAccount the role ${roleArn} (403 AccessDenied); check the trust policy of the role, and the annotation eks.amazonaws.com/role-arn`,
      says: "a role",
    },
    {
      name: "ACR",
      host: cloudHosts.acr,
      loses: `${cloudHosts.entra} gives no token for the Azure identity ${azureClient.clientId} (401 AADSTS700213); check its federated credential for the operator's ServiceAccount, and the annotation azure.workload.identity/client-id`,
      says: "a federated credential",
    },
  ]) {
    test(`${name}: installs, stays Ready and tells when ${says} is lost, and goes on when it is back`, async () => {
      const artifact = `oci://${host}/${repository}:v1`;
      await cluster.patchInstance({ spec: { distribution: { artifact } } });
      await cluster.instanceWhen(`from ${name}`, (object) => isCurrent(object) && observed(object));
      clouds.trouble = "no trust";
      clouds.revoke();
      const told = await cluster.instanceWhen(
        "told",
        (object) => condition(object, "UpToDate")?.startsWith("False/ArtifactFailed: ") === true,
      );
      assert.ok(isReady(told));
      assert.equal(condition(told, "UpToDate"), `False/ArtifactFailed: Cannot resolve ${artifact}: ${loses}`);
      clouds.trouble = undefined;
      await cluster.instanceWhen("current again", isCurrent);
    });
  }

  test("basic login: a wrong password is told, a right one lets in", async () => {
    const artifact = `oci://${basic.host}/${repository}:v1`;
    const config = (password: string): string =>
      JSON.stringify({ auths: { [basic.host]: { username: login.username, password } } });
    const type = "kubernetes.io/dockerconfigjson";
    await secret("artifact-auth", { type, stringData: { ".dockerconfigjson": config("battery staple") } });
    const access = { artifactPullSecret: "artifact-auth", artifactCertSecretRef: null, artifactInsecure: true };
    await cluster.patchInstance({ spec: { distribution: { artifact, ...access } } });
    await cluster.instanceWhen("refused", (object) => condition(object, "Ready")?.includes("(401)") === true);
    await secret("artifact-auth", { type, stringData: { ".dockerconfigjson": config(login.password) } });
    await cluster.instanceWhen("let in", isCurrent);
  });

  test("the command line uses the identity of its environment", async () => {
    const ca = join(folder, "clouds.pem");
    await writeFile(ca, clouds.caPem);
    const env = { ...process.env, ...(await environment()), HOME: folder, NODE_EXTRA_CA_CERTS: ca };
    const place = `oci://${cloudHosts.ecr}/${repository}:v1`;
    const args = ["build", "instance", "-f", join(root, "examples/flux-instance.yaml"), "--distribution", place];
    const { stdout, stderr } = await run(join(root, "bin/flux-operator"), args, { env });
    assert.match(stdout, /^ +image: .*source-controller:v1\.9\.4@sha256:/m);
    assert.deepEqual(
      clouds.secrets.filter(({ value }) => (stdout + stderr).includes(value)),
      [],
    );
  });

  test("no secret stands in a log, event, status, ConfigMap or file, and none went to another host", async () => {
    assert.deepEqual(strayed(clouds), []);
    assert.deepEqual(await readdir(home), [], "the operator has written no file");
    // The cluster's own record looks for the values of all Secrets in log, events and every status that was seen; here are the clouds'.
    const values = clouds.secrets.map(({ value }, at) => [`of-clouds-${at}`, value] as const);
    assert.ok(values.length > 8, `${values.length} secrets`);
    await secret("given-by-clouds", { stringData: Object.fromEntries(values) });
    const maps = await cluster.plane.rest.list(`/api/v1/namespaces/${namespace}/configmaps`);
    const texts = [JSON.stringify(maps), cluster.operator.log().join("\n")];
    const passwords = [login.password, "battery staple"];
    const found = [...values.map(([, value]) => value), ...passwords].filter((value) =>
      texts.some((text) => text.includes(value)),
    );
    assert.deepEqual(found, []);
    assert.ok(
      texts.every((text) => text.length > 500),
      "there was something to look at",
    );
  });
});

const observed = ({ metadata, ...object }: KubeObject): boolean =>
  statusOf({ metadata, ...object })["observedGeneration"] === metadata.generation;
