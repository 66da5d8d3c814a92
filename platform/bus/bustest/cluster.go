package bustest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/nettest"
)

// Cluster is a NATS cluster with JetStream on 127.0.0.1. Its methods are for the test's
// own goroutine.
type Cluster struct {
	t     testing.TB
	nodes []*node
}

// node is one server of a cluster, in this process or as one of its own.
type node struct {
	name              string
	port, route, http int
	dir               string
	peers             []string // routes of all nodes
	bin               string   // empty: in this process
	srv               *server.Server
	cmd               *exec.Cmd
	stopped           bool
}

// NewCluster starts a cluster of n nodes in this process. Stopping a node is orderly: it
// hands over what it leads, so that another goes on at once.
func NewCluster(t testing.TB, n int) *Cluster {
	t.Helper()
	return newCluster(t, n, "")
}

// NewProcessCluster starts a cluster of n nodes, each a process of its own. Stopping a
// node is SIGKILL: what it led has no leader until the others elect one, 4 to 9 s later.
func NewProcessCluster(t testing.TB, n int) *Cluster {
	t.Helper()
	return newCluster(t, n, Build(t))
}

func newCluster(t testing.TB, n int, bin string) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	var peers []string
	for i := range n {
		nd := &node{name: "n" + strconv.Itoa(i), port: nettest.FreePort(t), route: nettest.FreePort(t), http: nettest.FreePort(t), dir: t.TempDir(), bin: bin}
		c.nodes = append(c.nodes, nd)
		peers = append(peers, "nats-route://127.0.0.1:"+strconv.Itoa(nd.route))
	}
	t.Cleanup(func() {
		for i := range c.nodes {
			c.StopNode(i)
		}
	})
	for i, nd := range c.nodes {
		nd.peers = peers
		c.StartNode(i)
	}
	c.WaitReady()
	c.waitPlaceable()
	return c
}

// askAgain is after how long a question counts as lost: while the nodes choose a leader, one that
// comes between two of them is never answered.
const askAgain = 3 * time.Second

// waitPlaceable waits until a stream can be put on all nodes: the leader puts none on a node of
// which it has not heard how much it holds, and a node tells that a moment after it came up.
func (c *Cluster) waitPlaceable() {
	c.t.Helper()
	nc, err := nats.Connect(c.URL(), nats.Timeout(startLimit))
	if err != nil {
		c.t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		c.t.Fatal(err)
	}
	const name = "placeable"
	c.await("a stream is put on all nodes", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), askAgain)
		defer cancel()
		_, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{name}, Storage: jetstream.MemoryStorage, Replicas: len(c.nodes), MaxBytes: 1})
		return err
	})
	c.await("it is gone", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), askAgain)
		defer cancel()
		if err := js.DeleteStream(ctx, name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return err
		}
		return nil
	})
}

// URL names every node, separated by commas, the way --nats takes it.
func (c *Cluster) URL() string {
	urls := make([]string, len(c.nodes))
	for i := range c.nodes {
		urls[i] = c.NodeURL(i)
	}
	return strings.Join(urls, ",")
}

// NodeURL is the address of node i; it stays the same over restarts.
func (c *Cluster) NodeURL(i int) string { return "nats://127.0.0.1:" + strconv.Itoa(c.nodes[i].port) }

// Size is the number of nodes, stopped ones included.
func (c *Cluster) Size() int { return len(c.nodes) }

// Connect connects to the whole cluster and wants three replicas, or as many as there are
// nodes; the connection is closed at the end of the test.
func (c *Cluster) Connect() *bus.Conn {
	c.t.Helper()
	return connect(c.t, bus.Config{URL: c.URL(), Name: c.t.Name(), Replicas: min(len(c.nodes), 3)})
}

// StopNode ends node i; what is in files stays. A stopped one stays stopped.
func (c *Cluster) StopNode(i int) {
	nd := c.nodes[i]
	switch {
	case nd.srv != nil:
		nd.srv.Shutdown()
		nd.srv.WaitForShutdown()
	case nd.cmd != nil:
		_ = nd.cmd.Process.Kill()
		_ = nd.cmd.Wait() // "signal: killed" is what we asked for
	}
	nd.srv, nd.cmd, nd.stopped = nil, nil, true
}

// StartNode starts node i on the ports and the store that it had.
func (c *Cluster) StartNode(i int) {
	c.t.Helper()
	nd := c.nodes[i]
	file := filepath.Join(nd.dir, "nats.conf")
	conf := fmt.Sprintf("server_name: %s\nlisten: 127.0.0.1:%d\nhttp: 127.0.0.1:%d\njetstream { store_dir: %q }\n"+
		"cluster { name: tutti, listen: 127.0.0.1:%d, routes: [%s] }\n",
		nd.name, nd.port, nd.http, filepath.Join(nd.dir, "js"), nd.route, strings.Join(nd.peers, ", "))
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		c.t.Fatal(err)
	}
	var err error
	if nd.bin != "" {
		err = nd.startProcess(file)
	} else {
		err = nd.startHere(file)
	}
	if err != nil {
		c.t.Fatalf("node %s: %v", nd.name, err)
	}
	nd.stopped = false
}

func (nd *node) startProcess(file string) error {
	nd.cmd = exec.Command(nd.bin, "-c", file)
	if err := nd.cmd.Start(); err != nil {
		return err
	}
	return waitPort(nd.port)
}

func (nd *node) startHere(file string) error {
	opts, err := server.ProcessConfigFile(file)
	if err != nil {
		return err
	}
	opts.NoLog, opts.NoSigs, opts.DisableJetStreamBanner = true, true, true
	srv, err := server.NewServer(opts)
	if err != nil {
		return err
	}
	nd.srv = srv
	srv.Start()
	return waitPort(nd.port)
}

// WaitReady waits until the running nodes have a leader that sees all of them.
func (c *Cluster) WaitReady() {
	c.t.Helper()
	c.await("the cluster is ready", func() error {
		running := 0
		for _, nd := range c.nodes {
			if !nd.stopped {
				running++
			}
		}
		i, m, err := c.meta()
		if err != nil {
			return err
		}
		online := 1 // the leader itself
		for _, p := range m.Replicas {
			if !p.Offline && p.Current {
				online++
			}
		}
		if online != running {
			return fmt.Errorf("the leader n%d sees %d of %d nodes", i, online, running)
		}
		return nil
	})
}

// MetaLeader is the node that leads the cluster's JetStream.
func (c *Cluster) MetaLeader() int {
	c.t.Helper()
	leader := -1
	c.await("the cluster has a leader", func() (err error) {
		leader, _, err = c.meta()
		return err
	})
	return leader
}

// metaCluster is the part of /jsz that says who leads.
type metaCluster struct {
	Leader   string `json:"leader"`
	Replicas []struct {
		Name    string `json:"name"`
		Current bool   `json:"current"`
		Offline bool   `json:"offline"`
	} `json:"replicas"`
}

// meta asks the node that says of itself that it leads.
func (c *Cluster) meta() (int, metaCluster, error) {
	err := fmt.Errorf("no node runs")
	for i, nd := range c.nodes {
		if nd.stopped {
			continue
		}
		var v struct {
			Meta metaCluster `json:"meta_cluster"`
		}
		if err = getJSON("http://127.0.0.1:"+strconv.Itoa(nd.http)+"/jsz", &v); err != nil {
			continue
		}
		if v.Meta.Leader == nd.name {
			return i, v.Meta, nil
		}
		err = fmt.Errorf("%s says that %q leads", nd.name, v.Meta.Leader)
	}
	return -1, metaCluster{}, err
}

// StreamLeader is the node that leads a stream; buckets are "KV_<name>", object stores
// "OBJ_<name>".
func (c *Cluster) StreamLeader(stream string) int {
	c.t.Helper()
	leader := -1
	c.await("stream "+stream+" has a leader", func() (err error) {
		leader, _, err = c.stream(stream)
		return err
	})
	return leader
}

// WaitCurrent waits until every running node has all of these streams: one that loses a node
// while another node still fills itself may be left with nobody who knows it all.
func (c *Cluster) WaitCurrent(streams ...string) {
	c.t.Helper()
	for _, name := range streams {
		c.await("every node has stream "+name, func() error {
			_, s, err := c.stream(name)
			if err != nil {
				return err
			}
			for _, p := range s.Replicas {
				if !p.Current || p.Offline {
					return fmt.Errorf("%s is behind", p.Name)
				}
			}
			return nil
		})
	}
}

// stream asks the node that says of itself that it leads a stream.
func (c *Cluster) stream(name string) (int, metaCluster, error) {
	err := fmt.Errorf("no node runs")
	for i, nd := range c.nodes {
		if nd.stopped {
			continue
		}
		var v struct {
			Accounts []struct {
				Streams []struct {
					Name    string      `json:"name"`
					Cluster metaCluster `json:"cluster"`
				} `json:"stream_detail"`
			} `json:"account_details"`
		}
		if err = getJSON("http://127.0.0.1:"+strconv.Itoa(nd.http)+"/jsz?streams=true", &v); err != nil {
			continue
		}
		for _, a := range v.Accounts {
			for _, s := range a.Streams {
				if s.Name == name && s.Cluster.Leader == nd.name {
					return i, s.Cluster, nil
				}
			}
		}
		err = fmt.Errorf("no node says that it leads")
	}
	return -1, metaCluster{}, err
}

func getJSON(url string, v any) error {
	client := http.Client{Timeout: 2 * time.Second}
	defer client.CloseIdleConnections()
	r, err := client.Get(url)
	if err != nil {
		return err
	}
	defer r.Body.Close() //nolint:errcheck // read only
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, r.Status)
	}
	return json.NewDecoder(r.Body).Decode(v)
}

// await polls for a fact.
func (c *Cluster) await(what string, fact func() error) {
	c.t.Helper()
	var last error
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if last = fact(); last == nil {
			return
		}
	}
	c.t.Fatalf("%s: %v", what, last)
}
