package obs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Limits of the internal HTTP server. Nobody but probes and Prometheus speaks to it.
const (
	headerTimeout   = 5 * time.Second
	writeTimeout    = 30 * time.Second // a slow scrape
	profileTimeout  = 2 * time.Minute  // a profile of a minute
	shutdownTimeout = 2 * time.Second
	maxHeaderBytes  = 16 << 10
)

// InternalHTTP serves /healthz (the process is up), /readyz (it can serve; 503 names
// what is not ready) and /metrics at addr until ctx ends. It returns nil then, or
// the error that kept it from serving. An empty addr serves nothing and waits. With
// profiles, Go's profiling endpoints are below /debug/pprof/.
func InternalHTTP(ctx context.Context, addr string, h *Health, reg *prometheus.Registry, profiles bool) error {
	if addr == "" {
		<-ctx.Done()
		return nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("--internal-http %s cannot be opened (%w): choose another address", addr, err)
	}
	return ServeInternal(ctx, l, h, reg, profiles)
}

// ServeInternal is InternalHTTP on a listener, which it closes.
func ServeInternal(ctx context.Context, l net.Listener, h *Health, reg *prometheus.Registry, profiles bool) error {
	srv := &http.Server{Handler: Handler(h, reg), ReadHeaderTimeout: headerTimeout,
		ReadTimeout: headerTimeout, WriteTimeout: writeTimeout, IdleTimeout: time.Minute,
		MaxHeaderBytes: maxHeaderBytes}
	if profiles {
		srv.Handler, srv.WriteTimeout = withProfiles(srv.Handler), profileTimeout
	}
	stopped := make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer close(stopped)
		<-ctx.Done()
		bye, done := context.WithTimeout(context.Background(), shutdownTimeout)
		defer done()
		if srv.Shutdown(bye) != nil {
			_ = srv.Close() // a scrape that hangs is cut off
		}
	}()
	err := srv.Serve(l)
	cancel()
	<-stopped
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("internal http: %w", err)
}

// Handler serves /healthz, /readyz and /metrics; services that have an HTTP server
// of their own mount it there.
func Handler(h *Health, reg *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n")) // a prober that went away needs no answer
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { writeReady(w, h.Check()) })
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{Registry: reg}))
	return mux
}

// readiness is the body of /readyz.
type readiness struct {
	Ready  bool              `json:"ready"`
	Checks map[string]string `json:"checks"`
}

func writeReady(w http.ResponseWriter, checks []Check) {
	r := readiness{Ready: true, Checks: map[string]string{}}
	for _, c := range checks {
		r.Checks[c.Name] = "ok"
		if c.Err != nil {
			r.Ready = false
			r.Checks[c.Name] = c.Err.Error()
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !r.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(r) // a prober that went away needs no answer
}
