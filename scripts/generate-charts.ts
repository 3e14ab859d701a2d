import { generateCharts } from "./charts/charts.ts";
import { writeOrCheck } from "./generated-files.ts";

await writeOrCheck(generateCharts(), "values.yaml, the API and scripts/charts declare");
