import { generateNpmFiles } from "./npm/generated.ts";
import { writeOrCheck } from "./generated-files.ts";

await writeOrCheck(generateNpmFiles(), "the API, the operator's chart and scripts/npm declare");
