import type { Controller } from "./controller.ts";
import { statelessController } from "./families.ts";

/** notification-controller receives events of the other controllers (http) and webhooks (http-webhook), and sends no events itself. */
export const notificationController: Controller = {
  ...statelessController,
  name: "notification-controller",
  leadingArgs: [],
  ports: [
    { name: "http", containerPort: 9090 },
    { name: "http-webhook", containerPort: 9292 },
  ],
  services: [
    { name: "notification-controller", controlPlane: "controller", targetPort: "http" },
    { name: "webhook-receiver", controlPlane: "controller", targetPort: "http-webhook" },
  ],
};
