import packageJson from "../../package.json" with { type: "json" };

/** Version of the operator and of its CLI, "0.1.0". */
export const operatorVersion: string = packageJson.version;
