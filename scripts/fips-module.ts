/** `npm run fips:module`: builds OpenSSL's FIPS module for tests and trials, and says where it lies. */
import { fipsModule, fipsModuleAbsent } from "./fips/module.ts";

const absent = fipsModuleAbsent();
if (absent !== undefined) throw new Error(`Cannot build OpenSSL's FIPS module: ${absent}`);
console.log(await fipsModule(AbortSignal.timeout(30 * 60_000)));
