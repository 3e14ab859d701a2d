// Package kubernetes, and those below it, stand for Pulumi's SDK for Go. The provider uses it in components that it runs itself, such as
// helm.v4.Chart; our tests have none of those, and to compile the SDK takes longer than all the rest.
package kubernetes

// UntypedArgs are the inputs of a resource.
type UntypedArgs map[string]any
