import { describeCrashes } from "../support/crash/matrix.ts";

describeCrashes("mind");
