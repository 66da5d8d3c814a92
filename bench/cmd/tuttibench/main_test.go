package main

import (
	"os"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/bench/floor"
	"github.com/tutti-audio/tutti/bench/host"
	"github.com/tutti-audio/tutti/bench/load"
	"github.com/tutti-audio/tutti/sendspin/noise"
)

// TestMain lets the test binary be its own children.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case floor.RoleReader, host.Role, load.Role:
			main()
			return
		}
	}
	os.Exit(m.Run())
}

// A gateway, a load generator and a stream, small: the bench itself works.
func TestGatewayIsMeasured(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes and takes seconds")
	}
	shape := floor.Shapes()[1]
	d, err := measure(t.Context(), shape, noise.ChaChaPoly, 5, time.Second, "")
	if err != nil || d.coresPer1000 <= 0 || d.verdict == "" {
		t.Fatalf("got %+v, %v", d, err)
	}
	t.Log(d.verdict)
}

func TestSearch(t *testing.T) {
	for limit, want := range map[int]int{0: 0, 499: 0, 500: 500, 3700: 3500, 8000: 8000, 99999: 8000} {
		got, _, err := search(8000, func(n int) (bool, string, error) { return n <= limit, "", nil })
		if err != nil || got != want {
			t.Errorf("limit %d: got %d, %v, want %d", limit, got, err, want)
		}
	}
}
