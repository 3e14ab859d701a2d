/**
 * A configuration of OpenSSL that makes the FIPS provider in `folder` the default one, with what `openssl fipsinstall` has written beside it as
 * fipsmodule.cnf. Node reads the section nodejs_conf, other programs openssl_conf. Source: config(5), fips_module(7).
 */
export function fipsOpensslConf(folder: string): string {
  return `nodejs_conf = fips_only
openssl_conf = fips_only
config_diagnostics = 1

.include ${folder}/fipsmodule.cnf

[fips_only]
providers = providers
alg_section = algorithms

[providers]
fips = fips_sect
base = base_sect

[base_sect]
activate = 1

[algorithms]
default_properties = fips=yes
`;
}
