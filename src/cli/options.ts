import { Option } from "commander";

/** Which cluster a command is about. */
export function kubeconfigOption(): Option {
  return new Option("--kubeconfig <path>", "kubeconfig of the cluster (default: KUBECONFIG, then ~/.kube/config)");
}

/** Which context of it. */
export function contextOption(): Option {
  return new Option("--context <name>", "context of the kubeconfig (default: its current context)");
}
