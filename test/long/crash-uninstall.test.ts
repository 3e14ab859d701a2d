import { describeCrashes } from "../support/crash/matrix.ts";

describeCrashes("uninstall");
