package harness

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"
)

// API speaks the operator API of one server as an admin.
type API struct {
	Base    string // http://host:port
	Token   string
	Timeout time.Duration // of one request; default 10 s
}

// Client is what the tests read of a Client object.
type Client struct {
	ClientID    string   `json:"client_id"`
	Name        string   `json:"name"`
	Label       string   `json:"label"`
	Connected   bool     `json:"connected"`
	Connection  string   `json:"connection"`
	Suite       string   `json:"suite"`
	Trust       string   `json:"trust"`
	Warning     string   `json:"warning"`
	ActiveRoles []string `json:"active_roles"`
	Activities  []string `json:"activities"`
	GroupID     string   `json:"group_id"`
	Available   *bool    `json:"available"`
	Player      *struct {
		Volume       *int `json:"volume"`
		StreamFormat *struct {
			Codec      string `json:"codec"`
			SampleRate int    `json:"sample_rate"`
			BitDepth   int    `json:"bit_depth"`
		} `json:"stream_format"`
		BufferedMS int64 `json:"buffered_ms"`
	} `json:"player"`
}

// Group is what the tests read of a Group object.
type Group struct {
	GroupID       string   `json:"group_id"`
	Name          string   `json:"name"`
	Members       []string `json:"members"`
	PlaybackState string   `json:"playback_state"`
	Paused        bool     `json:"paused"`
	Volume        int      `json:"volume"`
	QueueLength   int      `json:"queue_length"`
	NowPlaying    *struct {
		Title      string `json:"title"`
		DurationMS int64  `json:"duration_ms"`
		PositionMS int64  `json:"position_ms"`
	} `json:"now_playing"`
}

// Waiting is one entry of the inbox.
type Waiting struct {
	ClientID    string `json:"client_id"`
	Name        string `json:"name"`
	Fingerprint string `json:"fingerprint"`
	Reason      string `json:"reason"`
}

// Status is an answer of the API that is not 2xx.
type Status struct {
	Code int
	Body string
}

func (s *Status) Error() string { return fmt.Sprintf("HTTP %d: %s", s.Code, s.Body) }

// Do sends body as JSON and decodes the answer into out (nil: ignored).
func (a *API) Do(method, path string, body, out any) error {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		r = bytes.NewReader(b)
	}
	ctx, cancel := context.WithTimeout(context.Background(), cmp.Or(a.Timeout, 10*time.Second))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, a.Base+path, r)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if a.Token != "" {
		req.Header.Set("Authorization", "Bearer "+a.Token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return &Status{Code: resp.StatusCode, Body: string(data)}
	}
	if out == nil || len(data) == 0 {
		return nil
	}
	return json.Unmarshal(data, out)
}

// Must is Do that fails the test. Statuses in fine are as good as success.
func (a *API) Must(t testing.TB, method, path string, body, out any, fine ...int) {
	t.Helper()
	err := a.Do(method, path, body, out)
	var st *Status
	if err != nil && (!errors.As(err, &st) || !slices.Contains(fine, st.Code)) {
		t.Fatalf("%s %s: %v", method, path, err)
	}
}

// Clients lists the clients.
func (a *API) Clients(t testing.TB) []Client {
	t.Helper()
	var out struct{ Clients []Client }
	a.Must(t, "GET", "/api/v1/clients", nil, &out)
	return out.Clients
}

// ClientNamed finds a client by its stated name.
func (a *API) ClientNamed(t testing.TB, name string) (Client, bool) {
	t.Helper()
	for _, c := range a.Clients(t) {
		if c.Name == name {
			return c, true
		}
	}
	return Client{}, false
}

// Inbox lists the devices that wait.
func (a *API) Inbox(t testing.TB) []Waiting {
	t.Helper()
	var out struct{ Waiting []Waiting }
	a.Must(t, "GET", "/api/v1/inbox", nil, &out)
	return out.Waiting
}

// Group reads one group.
func (a *API) Group(t testing.TB, id string) Group {
	t.Helper()
	var g Group
	a.Must(t, "GET", "/api/v1/groups/"+id, nil, &g)
	return g
}

// Groups lists the groups.
func (a *API) Groups(t testing.TB) []Group {
	t.Helper()
	var out struct{ Groups []Group }
	a.Must(t, "GET", "/api/v1/groups", nil, &out)
	return out.Groups
}

// Eventually polls until cond returns "" and fails with its last reason after limit.
func Eventually(t testing.TB, limit time.Duration, what string, cond func() string) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		reason := cond()
		if reason == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %s", what, limit, reason)
		}
		<-time.After(50 * time.Millisecond)
	}
}
