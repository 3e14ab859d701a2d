import { describeCrashes } from "../support/crash/matrix.ts";

describeCrashes("uninstall", "1/1");
