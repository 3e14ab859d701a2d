import { describeKilledUninstall } from "../support/killed-uninstall.ts";

describeKilledUninstall("Uninstall");
