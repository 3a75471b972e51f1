// One sample of one workload on goroutines, on one processor (GOMAXPROCS=1).
// The workloads are those of bench/peers/*.py, the protocol that of
// bench/sample.py: one line of JSON on standard output.
//
//	gobench W2a -budget 0.5
//	gobench W4 -n 100000 -depth 5
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: gobench WORKLOAD [flags]; workloads: W1 W2a W2b W3 W3all W4 W5")
		os.Exit(2)
	}
	flags := flag.NewFlagSet("gobench", flag.ExitOnError)
	budget := flags.Float64("budget", 0.5, "seconds of short rounds (W1 W2 W3 W5)")
	units := flags.Int("units", 2, "how many take part (W1, W5)")
	n := flags.Int("n", 100000, "how many in all (W3all, W4)")
	depth := flags.Int("depth", 1, "call depth of the blocked: 1 or 5 (W4)")
	flags.Parse(os.Args[2:])
	runtime.GOMAXPROCS(1)

	var result map[string]any
	switch os.Args[1] {
	case "W1":
		result = shortRounds(switching(*units), *units, *budget, 64)
	case "W2a", "W2a0": // a Go channel has no preference
		result = shortRounds(oneWay(), 1, *budget, 64)
	case "W2b":
		result = shortRounds(pingPong(), 2, *budget, 64)
	case "W3":
		result = shortRounds(spawnBatches(1000), 1000, *budget, 1)
	case "W3all":
		result = oneShot(spawnAll, *n)
	case "W4":
		result = measureBlocked(*n, *depth)
	case "W5":
		result = shortRounds(ring(*units), *units, *budget, 1)
	default:
		fmt.Fprintf(os.Stderr, "gobench: no workload %q\n", os.Args[1])
		os.Exit(2)
	}
	line, err := json.Marshal(result)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}
