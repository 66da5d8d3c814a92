// Package chaincmd holds `tutti chain`: at the centre of a chain of venues it shows how each
// of them does, from the events that cross to the chain's NATS server.
package chaincmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tutti-audio/tutti/cmd/tutti/internal/app"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/config"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
)

const (
	// refresh is how often the table is drawn anew.
	refresh = 2 * time.Second
	// closing bounds the end of the connection.
	closing = 3 * time.Second
)

type settings struct {
	NATS        string        `config:"nats" secret:"true" usage:"URL of the chain's NATS server"`
	NATSCreds   string        `config:"nats-creds" usage:"file with a key for it"`
	NATSTLSCA   string        `config:"nats-tls-ca" usage:"file with the authority that signed its certificate (PEM)"`
	NATSTLSCert string        `config:"nats-tls-cert" usage:"file with a certificate to show to it (PEM)"`
	NATSTLSKey  string        `config:"nats-tls-key" usage:"file with the key of --nats-tls-cert"`
	Venues      []string      `config:"venues" usage:"venues that there should be: one of which nothing is heard is shown as silent; repeatable"`
	Once        time.Duration `config:"once" usage:"listen for this long, show one table and end, with status 1 when a venue is silent or has a serious finding; a venue speaks once a minute"`
}

// New is the command.
func New() *cobra.Command {
	var s settings
	c := &cobra.Command{
		Use:   "chain",
		Short: "How each venue of a chain does, live",
		Long: `Listens at the chain's NATS server (deploy/nats/chain.conf) and shows a line for each venue:
its worst finding, its services, its sessions and what plays. A venue speaks once a minute,
and at once when something changes; one that has been silent for three minutes is marked.
It only listens: nothing goes to a venue. 'tutti health' in the venue says more.

What a venue says of itself is not proved: whoever has the password of the chain's user
"venue" may use any name.`,
		Example: `  TUTTI_NATS=nats://chain:password@chain.example:4222 tutti chain
  tutti chain --nats nats://127.0.0.1:4222 --venues lisbon --venues porto --once 90s`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := config.Load(cmd.Flags(), &s); err != nil {
				return app.Usage(err)
			}
			if s.NATS == "" {
				return app.Usage(errors.New("chain needs --nats: the URL of the chain's NATS server"))
			}
			return run(cmd.Context(), s, cmd.OutOrStdout())
		},
	}
	config.MustBind(c.Flags(), &s)
	return c
}

func run(ctx context.Context, s settings, out io.Writer) error {
	conn, err := bus.Connect(ctx, bus.Config{
		URL: s.NATS, Name: "tutti-chain", CredentialsFile: s.NATSCreds, MakesNothing: true,
		CAFile: s.NATSTLSCA, CertFile: s.NATSTLSCert, KeyFile: s.NATSTLSKey, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closing)
		defer cancel()
		_ = conn.Close(ctx) // it only listened
	}()
	b := &shared{board: newBoard(time.Now(), s.Venues)}
	stop, err := b.listen(conn)
	if err != nil {
		return err
	}
	defer stop()
	if s.Once > 0 {
		return once(ctx, b, s.Once, out)
	}
	return live(ctx, conn, b, out)
}

// shared is a board that what arrives and who looks use at once.
type shared struct {
	mu    sync.Mutex
	board *board
}

func (b *shared) do(f func(*board)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(b.board)
}

func (b *shared) listen(conn *bus.Conn) (stop func(), err error) {
	stopSummaries, err := bus.Subscribe(conn, subject.EventHealthSummary, func(_ context.Context, _ string, s *pb.HealthSummary) {
		b.do(func(x *board) { x.summary(time.Now(), s) })
	})
	if err != nil {
		return nil, err
	}
	stopFindings, err := bus.Subscribe(conn, subject.EventHealthFindings, func(_ context.Context, _ string, e *pb.HealthEvent) {
		b.do(func(x *board) { x.event(time.Now(), e) })
	})
	if err != nil {
		stopSummaries()
		return nil, err
	}
	return func() { stopFindings(); stopSummaries() }, nil
}

// once listens, shows and judges.
func once(ctx context.Context, b *shared, d time.Duration, out io.Writer) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	}
	var text string
	var bad int
	b.do(func(x *board) { text, bad = x.table(time.Now()), x.bad(time.Now()) })
	if _, err := io.WriteString(out, text); err != nil {
		return err
	}
	if bad > 0 {
		return fmt.Errorf("%d of the venues are silent or have a serious finding; 'tutti health' in a venue says what to do", bad)
	}
	return nil
}

// live draws until ctx ends: over what was drawn at a terminal, below it in a file.
func live(ctx context.Context, conn *bus.Conn, b *shared, out io.Writer) error {
	f, isFile := out.(*os.File)
	clear := ""
	if isFile && term.IsTerminal(int(f.Fd())) {
		clear = "\x1b[H\x1b[2J"
	}
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	shown := ""
	for {
		var text string
		b.do(func(x *board) { text = x.table(time.Now()) })
		if err := conn.Healthy(); err != nil {
			text = "✗ no connection to the chain's NATS server: what follows is older\n" + text
		}
		if clear != "" || text != shown {
			if _, err := io.WriteString(out, clear+text); err != nil {
				return err
			}
			shown = text
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
