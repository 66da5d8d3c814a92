package pairing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/nettest"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
	"github.com/tutti-audio/tutti/services/pairing/pgtest"
)

// cable is a TCP connection to PostgreSQL that a test can cut, or fill with mud.
type cable struct {
	t      *testing.T
	target string
	addr   string

	mu    sync.Mutex
	l     net.Listener
	mud   bool // accept and swallow
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

// newCable returns a cable and the database URL that leads through it.
func newCable(t *testing.T, dbURL string) (*cable, string) {
	t.Helper()
	u, err := url.Parse(dbURL)
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{t: t, target: u.Host, conns: map[net.Conn]bool{}}
	c.plug(nettest.FreeAddr(t)) // not 0: it comes back on the same port
	t.Cleanup(func() {
		c.cut()
		c.wg.Wait()
	})
	u.Host = c.addr
	return c, u.String()
}

func (c *cable) plug(addr string) {
	c.t.Helper()
	var l net.Listener
	eventually(c.t, "the port is free", func() (err error) {
		l, err = net.Listen("tcp", addr)
		return err
	})
	c.mu.Lock()
	c.l, c.addr, c.mud = l, l.Addr().String(), false
	c.mu.Unlock()
	c.wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			c.wg.Go(func() { c.carry(in) })
		}
	})
}

func (c *cable) keep(conns ...net.Conn) (mud, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.l == nil {
		return false, false
	}
	for _, conn := range conns {
		c.conns[conn] = true
	}
	return c.mud, true
}

func (c *cable) carry(in net.Conn) {
	defer func() { _ = in.Close() }()
	out, err := net.Dial("tcp", c.target)
	if err != nil {
		return
	}
	defer func() { _ = out.Close() }()
	if _, ok := c.keep(in, out); !ok {
		return
	}
	var wg sync.WaitGroup
	for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
		wg.Go(func() {
			_, _ = io.Copy(muddy{c, pair[1]}, pair[0])
			_ = in.Close()
			_ = out.Close()
		})
	}
	wg.Wait()
}

// muddy swallows what is written while the cable is full of mud.
type muddy struct {
	c *cable
	w net.Conn
}

func (m muddy) Write(p []byte) (int, error) {
	if mud, _ := m.c.keep(); mud {
		return len(p), nil
	}
	return m.w.Write(p)
}

// cut refuses and breaks every connection.
func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.l != nil {
		_ = c.l.Close()
		c.l = nil
	}
	for conn := range c.conns {
		_ = conn.Close()
		delete(c.conns, conn)
	}
}

func (c *cable) fill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mud = true
}

// TestDatabaseAway: refused and reset connections, and a network that swallows
// packets. Requests get the reason in time, nobody is answered as unpaired, and
// everything goes on by itself.
func TestDatabaseAway(t *testing.T) {
	for name, takeAway := range map[string]func(*cable){"refused": (*cable).cut, "swallowed": (*cable).fill} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wire, dbURL := newCable(t, pgtest.Start(t))
			r := newRig(t, Config{DataDir: t.TempDir(), DatabaseURL: dbURL}).serve()
			id, key := newClientID(), newBoxKey(t)
			r.admit(knock(id, "Kitchen"))
			r.approve(id)

			takeAway(wire)
			decision := &pb.ClientRequest{ClientId: id, Actor: "admin"}
			requests := map[string]func() error{
				"admit": func() error { return r.request(subject.PairingAdmit, knock(id, "Kitchen"), &pb.AdmitResponse{}) },
				"new":   func() error { return r.request(subject.PairingAdmit, knock(newClientID(), "New"), &pb.AdmitResponse{}) },
				"credential": func() error {
					return r.request(subject.PairingCredential, &pb.CredentialRequest{ClientId: id, RecipientKey: key.pub[:]}, &pb.CredentialResponse{})
				},
				"approve": func() error {
					return r.request(subject.PairingApprove, &pb.ApproveRequest{ClientId: id, Source: true, Actor: "admin"}, &pb.TrustRecord{})
				},
				"block":  func() error { return r.request(subject.PairingBlock, decision, &pb.TrustRecord{}) },
				"unpair": func() error { return r.request(subject.PairingUnpair, decision, &pb.TrustRecord{}) },
				"report": func() error {
					return r.request(subject.PairingReport, &pb.SessionReport{ClientId: id, SessionId: "s", Event: pb.SessionEvent_SESSION_EVENT_ENDED}, &pb.Empty{})
				},
				"settings": func() error {
					return r.request(subject.PairingSettings, &pb.UpdateSettingsRequest{}, &pb.ServerSettings{})
				},
				"audit": func() error {
					return r.request(subject.PairingAuditList, &pb.AuditListRequest{}, &pb.AuditListResponse{})
				},
			}
			var wg sync.WaitGroup
			for what, ask := range requests {
				wg.Go(func() {
					err := ask()
					if fault.CodeOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "PostgreSQL at ") || !strings.Contains(err.Error(), "does not answer") {
						t.Errorf("%s: got %v (%s), want Unavailable with the reason", what, err, fault.CodeOf(err))
					}
				})
			}
			wg.Wait()
			r.eventually("not ready, with the reason", func() error {
				if err := r.svc.Ready(); err == nil || !strings.Contains(err.Error(), "does not answer") {
					return fmt.Errorf("Ready: %v", err)
				}
				return nil
			})
			r.identity() // needs no database

			wire.cut()
			wire.plug(wire.addr)
			r.eventually("ready again", r.svc.Ready)
			r.wantState(knock(id, "Kitchen"), approved, true)
			r.eventually("the log tells of the outage and its end", func() error { // a moment after the service is ready
				if log := r.logs.String(); !strings.Contains(log, "cannot be used") || !strings.Contains(log, "answers again") {
					return errors.New("it does not")
				}
				return nil
			})
		})
	}
}

func TestDatabaseAwayAtStart(t *testing.T) {
	wire, dbURL := newCable(t, pgtest.Start(t))
	wire.cut()
	r := newRig(t, Config{DataDir: t.TempDir(), DatabaseURL: dbURL})
	r.start()
	r.eventually("requests are answered with the reason", func() error {
		err := r.request(subject.PairingAdmit, knock(newClientID(), "x"), &pb.AdmitResponse{})
		if fault.CodeOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "PostgreSQL at ") {
			return fmt.Errorf("got %v", err)
		}
		return nil
	})
	if err := r.svc.Ready(); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Fatalf("Ready: %v", err)
	}
	// It is there, and says that it is not ready and why.
	instances := r.instances()
	readiness := func() (*pb.Readiness, error) {
		v, _, err := instances.Get(context.Background(), subject.InstanceKey("pairing", "pairing-1"))
		return v.GetReadiness(), err
	}
	r.eventually("it is listed as not ready", func() error {
		got, err := readiness()
		if err == nil && (got == nil || got.GetReady() || !strings.Contains(got.GetReason(), "does not answer")) {
			err = fmt.Errorf("readiness %v", got)
		}
		return err
	})
	wire.plug(wire.addr)
	r.eventually("ready", r.svc.Ready)
	r.eventually("it is listed as ready", func() error {
		got, err := readiness()
		if err == nil && !got.GetReady() {
			err = fmt.Errorf("readiness %v", got)
		}
		return err
	})
	r.wantState(knock(newClientID(), "x"), unapproved, false)
}

func TestARefusingDatabaseEndsRunWithASentence(t *testing.T) {
	u, err := url.Parse(pgtest.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	u.User, u.Path = url.UserPassword(u.User.Username(), "hunter2"), "/absent_db"
	r := newRig(t, Config{DataDir: t.TempDir(), DatabaseURL: u.String()})
	err = <-r.start()
	if err == nil || !strings.Contains(err.Error(), `database "absent_db" does not exist`) || strings.Contains(err.Error()+r.logs.String(), "hunter2") {
		t.Fatalf("Run: %v", err)
	}
	if err := CheckDatabase(t.Context(), u.String()); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Fatalf("CheckDatabase: %v", err)
	}
	r = newRig(t, Config{DataDir: t.TempDir(), DatabaseURL: "postgres://a:hunter2@127.0.0.1:1/x", DatabaseWait: time.Millisecond})
	if err := <-r.start(); err == nil || !strings.Contains(err.Error(), "does not answer") || strings.Contains(err.Error()+r.logs.String(), "hunter2") {
		t.Fatalf("Run with DatabaseWait: %v", err)
	}
}

// TestAnnouncementsSurviveTheBusAndTheProcess: what was decided is announced when
// the bus is back, or when the next process starts.
func TestAnnouncementsSurviveTheBusAndTheProcess(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		server := bustest.StartServer(t)
		cfg.InstanceID = "pairing-1"
		r := &rig{t: t, cfg: cfg, logs: &logBuffer{}, bus: bustest.Connect(t, server)}
		r.serve()
		id := newClientID()
		r.admit(knock(id, "Kitchen"))
		d := r.svc.state.desk.Load()

		server.Stop()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if _, err := d.Approve(ctx, &pb.ApproveRequest{ClientId: id, Actor: "admin"}); err != nil {
			t.Fatalf("approve without a bus: %v", err) // it is decided; announcing can wait
		}
		if err := r.svc.Ready(); err == nil {
			t.Error("ready without a bus")
		}
		server.Start()
		r.eventually("the bucket has it", func() error {
			e, err := r.lookTrust(id) // JetStream comes back a moment after the server
			if err == nil && e.GetState() != approved {
				err = fmt.Errorf("entry %v", e)
			}
			return err
		})
		r.eventually("the event is there", func() error {
			if ev := r.trustEvents(); len(ev) == 0 || ev[0].GetKind() != "approved" { // at least once
				return fmt.Errorf("events %v", ev)
			}
			return nil
		})

		// A process that died between its commit and its announcements.
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		dead := desk.New(desk.Options{
			Store: r.backstage(), Announcer: silent{}, Clock: r.svc.deps.Clock, Log: r.svc.deps.Log,
			Metrics: r.svc.metrics, Limits: r.svc.cfg.limits(),
		}, r.vault())
		if _, err := dead.Deny(ctx, &pb.ClientRequest{ClientId: id, Actor: "admin"}); err != nil {
			t.Fatal(err)
		}
		if e := r.trustEntry(id); e.GetState() != approved {
			t.Fatalf("announced by nobody: %v", e)
		}
		r.serve()
		r.eventually("the next process announces it", func() error {
			ev := r.trustEvents()
			last := ev[len(ev)-1]
			if e := r.trustEntry(id); e.GetState() != denied || last.GetKind() != "denied" || !last.GetDisconnect() {
				return fmt.Errorf("entry %v, events %v", e, ev)
			}
			return nil
		})
	})
}

type silent struct{}

func (silent) Kick()                 {}
func (silent) Flush(context.Context) {}

func (r *rig) vault() desk.Vault {
	r.t.Helper()
	v, err := desk.OpenVault(context.Background(), r.backstage(), r.svc.cfg.keySource(), time.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

// TestBucketsAreRepairedAtStart: entries that somebody removed, changed or added.
func TestBucketsAreRepairedAtStart(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()}).serve()
	a, b, ghost := newClientID(), newClientID(), newClientID()
	r.admit(knock(a, "A"))
	r.admit(knock(b, "B"))
	r.approve(a)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	entries := r.trustBucket()
	_, err1 := entries.Put(ctx, b, &pb.TrustRecord{ClientId: b, State: approved})
	_, err2 := entries.Put(ctx, ghost, &pb.TrustRecord{ClientId: ghost, State: paired})
	if err := errors.Join(entries.Delete(ctx, a), err1, err2); err != nil {
		t.Fatal(err)
	}
	r.serve()
	if got := r.trustEntry(a); got.GetState() != approved {
		t.Errorf("removed entry: %v", got)
	}
	if got := r.trustEntry(b); got.GetState() != unapproved {
		t.Errorf("changed entry: %v", got)
	}
	if got := r.trustEntry(ghost); got != nil {
		t.Errorf("added entry: %v", got)
	}
}

func TestTheInstanceIsListedWhileItRuns(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir(), Version: "1.2.3"}).serve()
	b := r.instances()
	r.eventually("the instance is listed", func() error {
		got, _, err := b.Get(context.Background(), subject.InstanceKey("pairing", "pairing-1"))
		if err == nil && (got.GetVersion() != "1.2.3" || got.GetService() != "pairing") {
			err = fmt.Errorf("entry %v", got)
		}
		return err
	})
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Get(context.Background(), subject.InstanceKey("pairing", "pairing-1")); fault.CodeOf(err) != fault.NotFound {
		t.Fatalf("after the end: %v", err)
	}
}
