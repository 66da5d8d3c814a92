package bus

import (
	"context"
	"fmt"
	"log/slog"
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
	unlock  func()
}

// startEmbedded starts a server and waits until it can be used.
func startEmbedded(cfg EmbeddedConfig, log *slog.Logger) (*embedded, error) {
	e := &embedded{unlock: func() {}}
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
	unlock, err := lockDir(dir)
	if err != nil {
		e.release()
		return nil, err
	}
	e.unlock = unlock
	opts := &server.Options{
		ServerName: "tutti-embedded", JetStream: true, StoreDir: dir,
		SyncInterval: syncInterval, DontListen: true,
		NoSigs: true, NoLog: true, DisableJetStreamBanner: true,
	}
	if cfg.Listen != "" {
		host, port, err := splitListen(cfg.Listen)
		if err != nil {
			e.release()
			return nil, err
		}
		opts.DontListen, opts.Host, opts.Port = false, host, port
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		e.release()
		return nil, fmt.Errorf("bus: make the embedded server: %w", err)
	}
	e.srv = srv
	srv.SetLoggerV2(serverLog{log}, false, false, false)
	srv.Start()
	if !srv.ReadyForConnections(embeddedStart) || !srv.JetStreamEnabled() {
		e.stop(context.Background())
		return nil, fmt.Errorf("bus: embedded server did not come up on store %s: "+
			"is the disk full, or a file damaged? The log has what the server said", dir)
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
		e.release()
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// release gives back what the server used on disk.
func (e *embedded) release() {
	e.unlock()
	if e.tempDir != "" {
		_ = os.RemoveAll(e.tempDir)
	}
}

// serverLog hands what the embedded server complains about to our log. Its notices
// are about clients and streams, which this package reports itself.
type serverLog struct{ log *slog.Logger }

func (l serverLog) Noticef(string, ...any) {}
func (l serverLog) Debugf(string, ...any)  {}
func (l serverLog) Tracef(string, ...any)  {}
func (l serverLog) Warnf(format string, a ...any) {
	l.log.Warn("bus: embedded server", "err", fmt.Sprintf(format, a...))
}
func (l serverLog) Errorf(format string, a ...any) {
	l.log.Error("bus: embedded server", "err", fmt.Sprintf(format, a...))
}

// Fatalf does not end the process: the server shuts down by itself, and the owner of
// the connection hears of it.
func (l serverLog) Fatalf(format string, a ...any) { l.Errorf(format, a...) }
