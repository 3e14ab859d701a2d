// The API server of custom resources, and nothing else of Kubernetes: whoever reaches its loopback port may do everything.
// Says "listening on 127.0.0.1:<port>"; its certificate is apiserver.crt in --cert-dir.
package main

import (
	"fmt"
	"net"
	"os"

	"github.com/spf13/pflag"
	"k8s.io/apiextensions-apiserver/pkg/cmd/server"
	"k8s.io/apiextensions-apiserver/pkg/cmd/server/options"
	genericapiserver "k8s.io/apiserver/pkg/server"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	o := options.NewCustomResourceDefinitionsServerOptions(os.Stdout, os.Stderr)
	flags := pflag.NewFlagSet("apiextensions", pflag.ContinueOnError)
	o.AddFlags(flags)
	// These ask a kube-apiserver, which is not there.
	fixed := []string{
		"--enable-priority-and-fairness=false",
		"--disable-admission-plugins=NamespaceLifecycle,MutatingAdmissionWebhook,ValidatingAdmissionWebhook,ValidatingAdmissionPolicy",
	}
	if err := flags.Parse(append(fixed, os.Args[1:]...)); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	o.RecommendedOptions.SecureServing.Listener = listener
	o.RecommendedOptions.SecureServing.BindPort = listener.Addr().(*net.TCPAddr).Port
	o.RecommendedOptions.Authentication = nil
	o.RecommendedOptions.Authorization = nil
	if err := o.Validate(); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "listening on %s\n", listener.Addr())
	return server.Run(o, genericapiserver.SetupSignalHandler())
}
