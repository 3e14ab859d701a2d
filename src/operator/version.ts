import packageJson from "../../package.json" with { type: "json" };

/** Version of the operator, "0.1.0". */
export const operatorVersion: string = packageJson.version;
