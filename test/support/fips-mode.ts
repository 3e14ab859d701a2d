/** Preloaded into a process that a test starts in FIPS mode: throws where it is not in that mode, and limits its TLS as the operator's. */
import { requireFips } from "../../src/operator/fips.ts";

requireFips(process.env);
