import { writeOrCheck } from "./generated-files.ts";
import { generateTimoni } from "./timoni/modules.ts";

await writeOrCheck(generateTimoni(), "the values of the charts, the API and scripts/timoni declare");
