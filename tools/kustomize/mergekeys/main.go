// Command mergekeys prints, as JSON, which lists of the built-in kinds kustomize merges and by which keys,
// read from the OpenAPI document that its pinned version carries.
package main

import (
	"encoding/json"
	"os"
	"sort"
	"strings"

	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/kustomize/kyaml/openapi"
	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// A field of a shape: a list with a merge strategy (Keys, empty for lists of scalars), and what stands below it.
type field struct {
	Merge bool     `json:"merge"`
	Keys  []string `json:"keys"`
	Of    string   `json:"of"`
}

type output struct {
	Kinds         map[string]string           `json:"kinds"`
	ClusterScoped []string                    `json:"clusterScoped"`
	Shapes        map[string]map[string]field `json:"shapes"`
}

type builder struct {
	definitions spec.Definitions
	relevant    map[string]bool
	visiting    map[string]bool
	shapes      map[string]map[string]field
}

const prefix = "#/definitions/"

func main() {
	definitions := openapi.Schema().Definitions
	b := builder{definitions: definitions, relevant: map[string]bool{}, visiting: map[string]bool{}, shapes: map[string]map[string]field{}}
	out := output{Kinds: map[string]string{}, Shapes: b.shapes}
	for name, definition := range definitions {
		gvks, _ := definition.Extensions["x-kubernetes-group-version-kind"].([]interface{})
		if len(gvks) != 1 {
			continue
		}
		gvk := gvks[0].(map[string]interface{})
		meta := typeMeta(gvk)
		if openapi.IsCertainlyClusterScoped(meta) {
			out.ClusterScoped = append(out.ClusterScoped, meta.APIVersion+"/"+meta.Kind)
		}
		if b.shape(name) {
			out.Kinds[meta.APIVersion+"/"+meta.Kind] = name
		}
	}
	sort.Strings(out.ClusterScoped)
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(out); err != nil {
		panic(err)
	}
}

func typeMeta(gvk map[string]interface{}) yaml.TypeMeta {
	group, _ := gvk["group"].(string)
	version, _ := gvk["version"].(string)
	kind, _ := gvk["kind"].(string)
	if group != "" {
		version = group + "/" + version
	}
	return yaml.TypeMeta{APIVersion: version, Kind: kind}
}

// shape records the fields of a definition that lead to a merged list, and tells whether there are any.
func (b *builder) shape(name string) bool {
	if b.visiting[name] {
		return false
	}
	if known, ok := b.relevant[name]; ok {
		return known
	}
	b.visiting[name] = true
	fields := map[string]field{}
	definition := b.definitions[name]
	for key, property := range definition.Properties {
		property := property
		if f, ok := b.field(&property); ok {
			fields[key] = f
		}
	}
	delete(b.visiting, name)
	b.relevant[name] = len(fields) > 0
	if len(fields) > 0 {
		b.shapes[name] = fields
	}
	return len(fields) > 0
}

func (b *builder) field(property *spec.Schema) (field, bool) {
	if ref := property.Ref.String(); ref != "" {
		name := strings.TrimPrefix(ref, prefix)
		return field{Of: name}, b.shape(name)
	}
	if len(property.Type) == 1 && property.Type[0] == "array" {
		strategy, keys := (&openapi.ResourceSchema{Schema: property}).PatchStrategyAndKeyList()
		if !contains(strings.Split(strategy, ","), "merge") {
			return field{}, false
		}
		f := field{Merge: true, Keys: keys}
		if ref := property.Items.Schema.Ref.String(); ref != "" && b.shape(strings.TrimPrefix(ref, prefix)) {
			f.Of = strings.TrimPrefix(ref, prefix)
		}
		return f, true
	}
	if property.AdditionalProperties != nil && property.AdditionalProperties.Schema != nil {
		if _, ok := b.field(property.AdditionalProperties.Schema); ok {
			panic("a map of values with merged lists: the table has no form for it")
		}
	}
	return field{}, false
}

func contains(list []string, value string) bool {
	for _, item := range list {
		if item == value {
			return true
		}
	}
	return false
}
