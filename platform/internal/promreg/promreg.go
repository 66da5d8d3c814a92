// Package promreg registers metrics that several users of one registry share.
package promreg

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Register registers c with r and returns it, or returns the collector of the
// same description that is there already: five services in one process share one
// registry. A nil r leaves c unregistered. Another kind of clash is a defect and
// panics, as prometheus.MustRegister does.
func Register[C prometheus.Collector](r prometheus.Registerer, c C) C {
	if r == nil {
		return c
	}
	err := r.Register(c)
	if err == nil {
		return c
	}
	var dup prometheus.AlreadyRegisteredError
	if errors.As(err, &dup) {
		if old, ok := dup.ExistingCollector.(C); ok {
			return old
		}
	}
	panic("promreg: " + err.Error())
}
