// Command fieldtypes prints, as JSON, the types of the fields of the built-in kinds that its arguments name ("apps/v1/Deployment"), read from
// the OpenAPI document that the pinned kustomize carries. A type is text, integer, number, flag, quantity, intOrText or any, or the name of a
// definition; "[]" before it makes a list of it and "{}" a map.
package main

import (
	"encoding/json"
	"os"
	"strings"

	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/kustomize/kyaml/openapi"
)

const prefix = "#/definitions/"

type output struct {
	Kinds map[string]string            `json:"kinds"`
	Types map[string]map[string]string `json:"types"`
}

var definitions = openapi.Schema().Definitions

func main() {
	out := output{Kinds: map[string]string{}, Types: map[string]map[string]string{}}
	wanted := map[string]bool{}
	for _, argument := range os.Args[1:] {
		wanted[argument] = true
	}
	for name, definition := range definitions {
		gvks, _ := definition.Extensions["x-kubernetes-group-version-kind"].([]interface{})
		if len(gvks) != 1 {
			continue
		}
		gvk := gvks[0].(map[string]interface{})
		parts := []string{}
		for _, part := range []string{"group", "version", "kind"} {
			if text, _ := gvk[part].(string); text != "" {
				parts = append(parts, text)
			}
		}
		if id := strings.Join(parts, "/"); wanted[id] {
			out.Kinds[id] = name
			out.add(name)
			delete(wanted, id)
		}
	}
	for id := range wanted {
		panic("kustomize's OpenAPI document has no " + id)
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(out); err != nil {
		panic(err)
	}
}

func (o *output) add(name string) {
	if _, ok := o.Types[name]; ok {
		return
	}
	fields := map[string]string{}
	o.Types[name] = fields
	for key, property := range definitions[name].Properties {
		property := property
		fields[key] = o.typeOf(&property)
	}
}

func (o *output) typeOf(schema *spec.Schema) string {
	if ref := schema.Ref.String(); ref != "" {
		name := strings.TrimPrefix(ref, prefix)
		switch {
		case strings.HasSuffix(name, ".resource.Quantity"):
			return "quantity"
		case strings.HasSuffix(name, ".intstr.IntOrString"):
			return "intOrText"
		}
		definition := definitions[name]
		if len(definition.Properties) == 0 {
			return o.typeOf(&definition)
		}
		o.add(name)
		return name
	}
	switch {
	case len(schema.Type) != 1:
		return "any"
	case schema.Type[0] == "string":
		return "text"
	case schema.Type[0] == "boolean":
		return "flag"
	case schema.Type[0] == "array":
		return "[]" + o.typeOf(schema.Items.Schema)
	case schema.Type[0] == "object" && schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil:
		return "{}" + o.typeOf(schema.AdditionalProperties.Schema)
	case schema.Type[0] == "object":
		return "any"
	}
	return schema.Type[0]
}
