package obs

import (
	"net/http"
	"net/http/pprof"
)

// withProfiles adds Go's profiling endpoints below /debug/pprof/ (CPU, heap, goroutines,
// blocking, traces). They slow the process down while they are read and show command line
// and symbols, so they are on the internal port alone and off unless asked for.
func withProfiles(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", next)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}
