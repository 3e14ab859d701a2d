// A program for pods of tests: with no flags it waits until it is told to end. It can answer probes, and end by itself a number of times before it runs.
package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	listen := flag.String("listen", "", "addresses that answer every request with 200, separated by commas")
	crashes := flag.Int("crashes", 0, "how often it ends with an error before it runs; -1 for ever")
	state := flag.String("state", "", "a file that counts the starts, and outlives the container")
	flag.Parse()
	if *crashes != 0 && starts(*state) <= *crashes || *crashes < 0 {
		fmt.Fprintln(os.Stderr, "ending as asked")
		os.Exit(1)
	}
	for _, address := range strings.FieldsFunc(*listen, func(r rune) bool { return r == ',' }) {
		go func() {
			ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
			fmt.Fprintln(os.Stderr, http.ListenAndServe(address, ok))
		}()
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGINT, syscall.SIGTERM)
	<-end
}

// starts counts this one in, by the length of the file.
func starts(file string) int {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return 0
	}
	defer f.Close()
	fmt.Fprint(f, ".")
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	return int(info.Size())
}
