import { writeOrCheck } from "./generated-files.ts";
import { generateTerraform } from "./terraform/module.ts";

await writeOrCheck(generateTerraform(), "the API, the chart flux-instance and scripts/terraform declare");
