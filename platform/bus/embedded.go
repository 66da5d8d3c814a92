package bus

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// syncInterval bounds what a power failure can lose of acknowledged file-backed
// messages. A kill -9 loses none: they are in the page cache before the ack.
const syncInterval = time.Second

// embeddedStart is how long a server may take to be ready: recovery of a large
// store on a slow card takes seconds.
const embeddedStart = 30 * time.Second

// EmbeddedConfig describes a NATS server inside this process.
type EmbeddedConfig struct {
	// StoreDir holds the JetStream files. Empty: a temporary folder that Close
	// removes (tests).
	StoreDir string
	// Listen is a host:port for other processes to connect to; empty: no socket.
	Listen string
}

// embedded is a running in-process server.
type embedded struct {
	srv     *server.Server
	tempDir string
}

// startEmbedded starts a server and waits until it can be used.
func startEmbedded(cfg EmbeddedConfig) (*embedded, error) {
	e := &embedded{}
	dir := cfg.StoreDir
	if dir == "" {
		tmp, err := os.MkdirTemp("", "tutti-bus-")
		if err != nil {
			return nil, fmt.Errorf("bus: make a temporary store: %w", err)
		}
		e.tempDir, dir = tmp, tmp
	} else if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("bus: make the store folder (set --data-dir to a writable folder): %w", err)
	}
	opts := &server.Options{
		ServerName: "tutti-embedded", JetStream: true, StoreDir: dir,
		SyncInterval: syncInterval, DontListen: true,
		NoSigs: true, NoLog: true, DisableJetStreamBanner: true,
	}
	if cfg.Listen != "" {
		host, port, err := splitListen(cfg.Listen)
		if err != nil {
			e.removeTemp()
			return nil, err
		}
		opts.DontListen, opts.Host, opts.Port = false, host, port
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		e.removeTemp()
		return nil, fmt.Errorf("bus: make the embedded server: %w", err)
	}
	e.srv = srv
	srv.Start()
	if !srv.ReadyForConnections(embeddedStart) || !srv.JetStreamEnabled() {
		e.stop(context.Background())
		return nil, fmt.Errorf("bus: embedded server did not come up on store %s: "+
			"is another tutti using it, or is the disk full?", dir)
	}
	return e, nil
}

// splitListen parses host:port; port 0 picks a free one.
func splitListen(addr string) (string, int, error) {
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("bus: listen address %q: %w", addr, err)
	}
	port, err := strconv.Atoi(p)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("bus: listen address %q: port must be 0 to 65535", addr)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return host, port, nil
}

// stop ends the server and waits for it until ctx ends.
func (e *embedded) stop(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.srv.Shutdown()
		e.srv.WaitForShutdown()
		e.removeTemp()
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

func (e *embedded) removeTemp() {
	if e.tempDir != "" {
		_ = os.RemoveAll(e.tempDir)
	}
}
