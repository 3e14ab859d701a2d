import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { findFault, moduleMac } from "./openssl-config.ts";

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "openssl-config-"));
});
after(() => rm(folder, { recursive: true }));

const module = Buffer.from("a module");

test("moduleMac() is what `openssl fipsinstall` writes", () => {
  // printf 'a module' | openssl dgst -sha256 -mac HMAC -macopt hexkey:f4556650...
  assert.equal(
    moduleMac(module),
    "29:06:00:4B:A6:5D:EE:2C:4B:A7:5F:0A:BD:C1:18:38:B0:EF:57:06:40:24:E0:DA:62:7A:E4:4B:19:8B:72:EF",
  );
});

for (const { name, conf, files, says } of [
  { name: "a configuration without such a provider", conf: "[a]\nb = c\n", files: {}, says: undefined },
  {
    name: "an included file that is missing",
    conf: ".include FOLDER/fipsmodule.cnf\nfips = fips_sect\n",
    files: {},
    says: "it includes FOLDER/fipsmodule.cnf, which cannot be read; put the file there",
  },
  {
    name: "files that include each other",
    conf: ".include FOLDER/other.cnf\n",
    files: { "other.cnf": ".include FOLDER/other.cnf\n" },
    says: "it includes FOLDER/other.cnf, which cannot be read; put the file there",
  },
  {
    name: "a module that cannot be read",
    conf: "fips = fips_sect\n[fips_sect]\nmodule = FOLDER\n",
    files: {},
    says: "the module FOLDER cannot be read; let the user of this process read it",
  },
  {
    name: "a missing module",
    conf: "fips = fips_sect\n",
    files: {},
    says: "the module FOLDER/fips.so does not exist; put it there, or name its folder in OPENSSL_MODULES",
  },
  {
    name: "a missing module that the configuration itself names",
    conf: "fips = fips_sect\n[fips_sect]\nmodule = /nowhere/other.so\n",
    files: {},
    says: "the module /nowhere/other.so does not exist; put it there, or name its folder in OPENSSL_MODULES",
  },
  {
    name: "a module that was not installed",
    conf: "fips = fips_sect\n",
    files: { "fips.so": module },
    says: "it has no module-mac; run openssl fipsinstall for FOLDER/fips.so and include what it writes",
  },
  {
    name: "another module than the one that was installed",
    conf: ".include = FOLDER/fipsmodule.cnf\nfips = fips_sect\n",
    files: { "fips.so": module, "fipsmodule.cnf": `[fips_sect]\nmodule-mac = ${moduleMac(Buffer.from("another"))}\n` },
    says: "its module-mac is that of another module; run openssl fipsinstall for FOLDER/fips.so and include what it writes",
  },
  {
    name: "nothing wrong with the files",
    conf: ".include FOLDER/fipsmodule.cnf\nfips = fips_sect\n",
    files: { "fips.so": module, "fipsmodule.cnf": `[fips_sect]\nmodule-mac = ${moduleMac(module)}\n` },
    says: undefined,
  },
] satisfies readonly {
  name: string;
  conf: string;
  files: { [name: string]: string | Buffer };
  says: string | undefined;
}[])
  test(`findFault() finds ${name}`, async () => {
    const here = (text: string): string => text.replaceAll("FOLDER", own);
    const own = await mkdtemp(join(folder, "case-"));
    await writeFile(join(own, "openssl.cnf"), here(conf));
    for (const [file, content] of Object.entries(files))
      await writeFile(join(own, file), typeof content === "string" ? here(content) : content);
    const env = { OPENSSL_CONF: join(own, "openssl.cnf"), OPENSSL_MODULES: own };
    assert.equal(findFault(env), says === undefined ? undefined : here(says));
  });

test("findFault() finds a configuration that cannot be read", () => {
  assert.equal(findFault({ OPENSSL_CONF: folder }), "it cannot be read; let the user of this process read it");
});
