// Command clockplots simulates clock synchronization on the networks of
// sendspin/clock/clocksim, writes the plots of docs/clock.md to docs/img, and prints the
// page's table. The seeds are fixed: every run gives the same.
//
//	go run ./bench/cmd/clockplots            # from the repository's root
//	go run ./bench/cmd/clockplots -dir /tmp
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/tutti-audio/tutti/sendspin/clock/clocksim"
)

func main() {
	dir := flag.String("dir", "docs/img", "where the plots go")
	flag.Parse()
	if err := run(*dir); err != nil {
		fmt.Fprintln(os.Stderr, "clockplots:", err)
		os.Exit(1)
	}
}

// series are all results of one case, by seed.
type series struct {
	clocksim.Case
	results []*clocksim.Result
}

func run(dir string) error {
	var all []series
	for _, c := range clocksim.Cases() {
		s := series{Case: c}
		for seed := range uint64(clocksim.Seeds) {
			s.results = append(s.results, clocksim.Run(c.Scenario(seed)))
		}
		all = append(all, s)
	}
	table(all)
	return errors.Join(overTime(dir, all), convergence(dir, all), distribution(dir, all))
}

// table prints one row for each case: the worst of all seeds.
func table(all []series) {
	fmt.Println("| network | ready after | within the bound after | half of the time | 99 % of the time | always | messages a minute |")
	fmt.Println("|---|---|---|---|---|---|---|")
	for _, s := range all {
		var ready, settled, rate float64
		worst := make([]float64, 3)
		for _, r := range s.results {
			ready, settled = max(ready, r.ReadyS()), max(settled, r.SettledS(s.BoundUS))
			rate = max(rate, float64(r.Messages)/(60*r.Hours))
			for i, p := range r.Percentiles(s.SettledS, 0.5, 0.99, 1) {
				worst[i] = max(worst[i], p)
			}
		}
		fmt.Printf("| %s | %.0f s | %.0f s | %.0f µs | %.0f µs | %.0f µs | %.0f |\n", s.Name, ready, settled, worst[0], worst[1], worst[2], rate)
	}
}
