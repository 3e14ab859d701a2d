import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError } from "./config.ts";
import { fipsFault, isFips, requireFips } from "./fips.ts";

// A process with a FIPS provider is in test/long/fips.test.ts.

test("fipsFault() finds a provider that is none", () => {
  assert.deepEqual([isFips(), fipsFault()], [false, "FIPS algorithms are not the default"]);
});

for (const { name, env, says } of [
  {
    name: "without a configuration",
    env: {},
    says: "OPENSSL_CONF is not set, so OpenSSL has no FIPS provider; set it to a configuration that loads one, and OPENSSL_MODULES to the folder of its module",
  },
  {
    name: "with a configuration that does not exist",
    env: { OPENSSL_CONF: "/fips/nowhere.cnf" },
    says: "OPENSSL_CONF names /fips/nowhere.cnf, which does not exist; put the configuration there",
  },
  {
    name: "with a configuration that makes nothing of it the default",
    env: { OPENSSL_CONF: "/dev/null" },
    says: "the configuration in OPENSSL_CONF (/dev/null) does not make FIPS algorithms the default; set default_properties = fips=yes in it",
  },
])
  test(`requireFips() ${name} says what is missing`, () => {
    const message = `Cannot run with --fips=required: ${says} (docs/fips.md)`;
    assert.throws(() => requireFips(env), new ConfigError(message));
  });
