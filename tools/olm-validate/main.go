// Validates the OLM bundle in a folder with the library of operator-framework, and prints what it finds as JSON:
// {"errors": [...], "warnings": [...]}, each of them text.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/operator-framework/api/pkg/manifests"
	"github.com/operator-framework/api/pkg/validation"
	"github.com/operator-framework/api/pkg/validation/errors"
)

type findings struct {
	Errors   []string `json:"errors"`
	Warnings []string `json:"warnings"`
}

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(folder string) error {
	bundle, err := manifests.GetBundleFromDir(folder)
	if err != nil {
		return err
	}
	found := findings{Errors: []string{}, Warnings: []string{}}
	for _, result := range validation.AllValidators.Validate(bundle.ObjectsToValidate()...) {
		found.Errors = append(found.Errors, texts(result.Errors)...)
		found.Warnings = append(found.Warnings, texts(result.Warnings)...)
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

func texts(found []errors.Error) []string {
	words := make([]string, 0, len(found))
	for _, one := range found {
		words = append(words, one.Error())
	}
	return words
}
