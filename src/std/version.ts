import packageJson from "../../package.json" with { type: "json" };

/** The version of the operator and its CLI, such as "0.1.0". */
export const operatorVersion: string = packageJson.version;
