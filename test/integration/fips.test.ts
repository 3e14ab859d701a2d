import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { fipsOpensslConf } from "../../scripts/image/fips-conf.ts";
import { unconfigured } from "../../src/client/openssl-config.ts";

// What needs no FIPS provider. Runs with one are in test/long/fips.test.ts.

const main = join(import.meta.dirname, "../../src/operator/main.ts");
const cli = join(import.meta.dirname, "../../src/cli/main.ts");
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "fips-"));
  await writeFile(join(folder, "openssl.cnf"), fipsOpensslConf(folder));
  await writeFile(join(folder, "fipsmodule.cnf"), "[fips_sect]\nactivate = 1\n");
  await writeFile(join(folder, "fips.so"), "no module");
  await writeFile(join(folder, "plain.cnf"), "nodejs_conf = nothing\n[nothing]\n");
  await writeFile(join(folder, "garbled.cnf"), "[a\n");
});
after(() => rm(folder, { recursive: true }));

/** How the operator ends that is started as the image starts it, and what it says. It finds no cluster. */
function runOperator(flags: readonly string[], env: { readonly [name: string]: string }) {
  return runProgram([main, "--kubeconfig=/nowhere", ...flags], env);
}

async function runProgram(args: readonly string[], env: { readonly [name: string]: string }) {
  const child = spawn(process.execPath, [unconfigured, ...args], {
    env: { ...env, PATH: process.env["PATH"] },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [[code], stdout, stderr] = await Promise.all([once(child, "exit"), text(child.stdout), text(child.stderr)]);
  return { code: code as number | null, stdout, stderr: stderr.replaceAll(folder, "FOLDER") };
}

const required = ["--fips=required"];
for (const { name, flags, env, says } of [
  {
    name: "without a configuration",
    flags: required,
    env: () => ({}),
    says: "Cannot run with --fips=required: OPENSSL_CONF is not set, so OpenSSL has no FIPS provider; set it to a configuration that loads one, and OPENSSL_MODULES to the folder of its module (docs/fips.md)",
  },
  {
    name: "with a configuration that does not exist",
    flags: required,
    env: () => ({ OPENSSL_CONF: join(folder, "nowhere.cnf") }),
    says: "Cannot run with --fips=required: OPENSSL_CONF names FOLDER/nowhere.cnf, which does not exist; put the configuration there (docs/fips.md)",
  },
  {
    name: "with a configuration that loads no FIPS provider",
    flags: required,
    env: () => ({ OPENSSL_CONF: join(folder, "plain.cnf") }),
    says: "Cannot run with --fips=required: the configuration in OPENSSL_CONF (FOLDER/plain.cnf) does not make FIPS algorithms the default; set default_properties = fips=yes in it (docs/fips.md)",
  },
  {
    name: "without the module",
    flags: required,
    env: () => ({ OPENSSL_CONF: join(folder, "openssl.cnf"), OPENSSL_MODULES: "/nowhere" }),
    says: "Cannot start OpenSSL with the configuration in OPENSSL_CONF (FOLDER/openssl.cnf): the module /nowhere/fips.so does not exist; put it there, or name its folder in OPENSSL_MODULES (docs/fips.md)",
  },
  {
    name: "with a module that was not installed",
    flags: required,
    env: () => ({ OPENSSL_CONF: join(folder, "openssl.cnf"), OPENSSL_MODULES: folder }),
    says: "Cannot start OpenSSL with the configuration in OPENSSL_CONF (FOLDER/openssl.cnf): it has no module-mac; run openssl fipsinstall for FOLDER/fips.so and include what it writes (docs/fips.md)",
  },
  {
    name: "with a configuration that OpenSSL cannot read, also where FIPS is not required",
    flags: [],
    env: () => ({ OPENSSL_CONF: join(folder, "garbled.cnf") }),
    says: 'Cannot start OpenSSL with the configuration in OPENSSL_CONF (FOLDER/garbled.cnf): OpenSSL says "missing close square bracket, line 1" (docs/fips.md)',
  },
])
  test(`the operator does not start ${name}, and says why in one line`, async () => {
    assert.deepEqual(await runOperator(flags, env()), { code: 2, stdout: "", stderr: `flux-operator: ${says}\n` });
  });

test("the operator starts with a configuration of OpenSSL that has nothing to do with FIPS", async () => {
  const { code, stderr } = await runOperator([], { OPENSSL_CONF: join(folder, "plain.cnf") });
  assert.match(stderr, /Cannot read \/nowhere/);
  assert.equal(code, 1);
});

const deletion = ["delete", "instance", "flux", "--kubeconfig=/nowhere", "-n", "flux-system"];

test("the command line, started as the chart's Jobs start it, says in one line what is wrong with the configuration", async () => {
  for (const { conf, why } of [
    {
      conf: "openssl.cnf",
      why: "it has no module-mac; run openssl fipsinstall for FOLDER/fips.so and include what it writes",
    },
    { conf: "garbled.cnf", why: 'OpenSSL says "missing close square bracket, line 1"' },
  ]) {
    const env = { OPENSSL_CONF: join(folder, conf), OPENSSL_MODULES: folder };
    const says = `error: Cannot start OpenSSL with the configuration in OPENSSL_CONF (FOLDER/${conf}): ${why} (docs/fips.md)\n`;
    assert.deepEqual(await runProgram([cli, ...deletion], env), { code: 2, stdout: "", stderr: says });
  }
});

test("the command line works with a configuration of OpenSSL that is in order", async () => {
  const { stderr } = await runProgram([cli, ...deletion], { OPENSSL_CONF: join(folder, "plain.cnf") });
  assert.match(stderr, /\/nowhere/);
  assert.doesNotMatch(stderr, /OpenSSL/);
});
