package ctlcmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tutti-audio/tutti/platform/webtls"
)

const (
	// requestTimeout is longer than the 5 s in which the API promises an answer.
	requestTimeout = 10 * time.Second
	// maxAnswer bounds what is read of an answer: a library of many thousand files fits.
	maxAnswer = 64 << 20
	// tokenName is the file of the admin token in a data directory.
	tokenName = "admin-token"
)

// client speaks to the operator API.
type client struct {
	base   string
	source string // where the token came from, for messages
	flag   string // which flag names a file with another
	pinned bool   // one certificate is named, and no other is taken
	http   *http.Client

	mu     sync.Mutex
	tokens []string // to be tried in order; the first that the server knows stays
}

// token is the one to use now.
func (c *client) token() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tokens[0]
}

// reject moves on from a token that the server does not know; false when there is
// no other.
func (c *client) reject(token string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tokens[0] == token {
		if len(c.tokens) == 1 {
			return false
		}
		c.tokens = c.tokens[1:]
	}
	return true
}

// connect prepares a client; it does not dial yet.
func connect(o options) (*client, error) {
	base, err := baseURL(o.server)
	if err != nil {
		return nil, err
	}
	tokens, source, err := findTokens(o)
	if err != nil {
		return nil, err
	}
	// A transport of its own: its connections end with the command.
	t := http.DefaultTransport.(*http.Transport).Clone()
	if t.TLSClientConfig, err = tlsConfig(o); err != nil {
		return nil, err
	}
	return &client{base: base, tokens: tokens, source: source, flag: o.flag("token-file"), pinned: o.tlsFingerprint != "", http: &http.Client{Transport: t}}, nil
}

// baseURL takes "host", "host:port" and full addresses.
func baseURL(s string) (string, error) {
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", usagef("--server %q is no address such as http://192.168.1.5:8080", s)
	}
	if u.Port() == "" && u.Scheme == "http" {
		u.Host = net.JoinHostPort(u.Hostname(), "8080")
	}
	u.Path, u.RawQuery, u.Fragment = strings.TrimSuffix(u.Path, "/"), "", ""
	return u.String(), nil
}

// findTokens looks for the token where it may be: the flags, the environment, the
// data directories that a server of this user has. A flag beats the environment.
func findTokens(o options) (tokens []string, source string, err error) {
	one := func(token, source string) ([]string, string, error) {
		return []string{strings.TrimSpace(token)}, source, nil
	}
	file := func(path string) ([]string, string, error) {
		t, err := readToken(path)
		if err != nil {
			return nil, "", fmt.Errorf("the token file cannot be read: %w; name another with %s", err, o.flag("token-file"))
		}
		return []string{t}, path, nil
	}
	switch {
	case o.token != "":
		return one(o.token, o.flag("token"))
	case o.tokenFile != "":
		return file(o.tokenFile)
	case o.dataDir != "":
		return tokensIn([]string{o.dataDir}, o.flag("token-file"))
	}
	for _, env := range []string{"TUTTI_TOKEN", "TUTTI_ADMIN_TOKEN"} {
		if v := os.Getenv(env); v != "" {
			return one(v, env)
		}
		if v := os.Getenv(env + "_FILE"); v != "" {
			return file(v)
		}
	}
	return tokensIn(dataDirs(os.Getenv("TUTTI_DATA_DIR")), o.flag("token-file"))
}

// tokensIn reads the admin tokens of data directories.
func tokensIn(dirs []string, flag string) (tokens []string, source string, err error) {
	var from, looked []string
	for _, dir := range dirs {
		path := filepath.Join(dir, tokenName)
		looked = append(looked, path)
		t, err := readToken(path)
		switch {
		case err == nil:
			tokens, from = append(tokens, t), append(from, path)
		case errors.Is(err, fs.ErrPermission):
			return nil, "", fmt.Errorf("the token in %s may not be read by this user: run the command as the server's user, or name a token with %s", path, flag)
		}
	}
	if len(tokens) == 0 {
		return nil, "", fmt.Errorf("no API token found (looked for %s): name one with %s or TUTTI_TOKEN; the server prints where its token is when it starts", strings.Join(looked, ", "), flag)
	}
	return tokens, strings.Join(from, ", "), nil
}

// dataDirs are where a server of this user keeps its state; the demo has a
// directory of its own.
func dataDirs(named string) []string {
	if named != "" {
		return []string{named}
	}
	home := os.Getenv("XDG_DATA_HOME")
	if !filepath.IsAbs(home) {
		h, err := os.UserHomeDir()
		if err != nil {
			return nil
		}
		home = filepath.Join(h, ".local", "share")
	}
	return []string{filepath.Join(home, "tutti"), filepath.Join(home, "tutti-demo")}
}

func readToken(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	t := strings.TrimSpace(string(b))
	if t == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return t, nil
}

// problem is an error answer of the API.
type problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Errors []struct {
		Location string `json:"location"`
		Message  string `json:"message"`
	} `json:"errors"`
}

// Error is the detail, which names the thing, the cause and the next step. Of
// fields out of range it is the fields alone: who typed a command sees no body.
func (p *problem) Error() string {
	if p.Status == http.StatusUnprocessableEntity && p.listed() {
		parts := make([]string, 0, len(p.Errors))
		for _, e := range p.Errors {
			_, field, _ := strings.Cut(e.Location, ".")
			parts = append(parts, strings.TrimSpace(field+" "+e.Message))
		}
		return strings.Join(parts, "; ")
	}
	if p.Detail != "" {
		return p.Detail
	}
	return fmt.Sprintf("the server answered %d %s", p.Status, p.Title)
}

// listed reports whether the detail does no more than to list the fields. A sentence of
// its own says more than they do.
func (p *problem) listed() bool {
	for _, e := range p.Errors {
		if !strings.Contains(p.Detail, e.Location+": "+e.Message) {
			return p.Detail == ""
		}
	}
	return len(p.Errors) > 0
}

// do sends a request; body is encoded as JSON, nil for none. It returns the
// answer's JSON, or a *problem, or an error that says what to do.
func (c *client) do(ctx context.Context, method, path string, body any) (json.RawMessage, error) {
	return c.doWith(ctx, method, path, body, nil)
}

// doWith is do with header fields.
func (c *client) doWith(ctx context.Context, method, path string, body any, header http.Header) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	resp, err := c.send(ctx, method, path, body, header)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("the answer of %s broke off: %w", c.base, err)
	}
	return b, nil
}

// send is do for an answer that is read by the caller, who closes its body.
func (c *client) send(ctx context.Context, method, path string, body any, header http.Header) (*http.Response, error) {
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
	}
	for {
		token := c.token()
		resp, err := c.once(ctx, method, path, token, content, header)
		if err != nil {
			return nil, c.explain(err)
		}
		if resp.StatusCode < 300 {
			return resp, nil
		}
		p := readProblem(resp)
		if p.Status == http.StatusUnauthorized {
			if c.reject(token) {
				continue // it was of another data directory, perhaps
			}
			return nil, fmt.Errorf("the server at %s does not know this token (from %s): name the right one with %s", c.base, c.source, c.flag)
		}
		return nil, p
	}
}

func (c *client) once(ctx context.Context, method, path, token string, content []byte, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if content != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return c.http.Do(req)
}

func readProblem(resp *http.Response) *problem {
	defer resp.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20)) // what came is enough for a message
	p := &problem{}
	if json.Unmarshal(b, p) != nil || p.Detail == "" {
		p = &problem{Detail: fmt.Sprintf("the server answered %s, which is no answer of Tutti's API; is --server right?", resp.Status)}
	}
	p.Status = resp.StatusCode
	return p
}

// explain turns an error of the network into a sentence with the next step.
func (c *client) explain(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	var untrusted *webtls.UntrustedError
	switch {
	case errors.As(err, &untrusted):
		return c.untrusted(untrusted)
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no server answers at %s: start one with 'tutti serve', or name another with --server", c.base)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the server at %s did not answer within %s: is it overloaded, or is --server wrong?", c.base, requestTimeout)
	}
	return fmt.Errorf("the server at %s cannot be reached (%w): is --server right?", c.base, err)
}

// get decodes an answer into T and also returns its JSON.
func get[T any](r *run, path string) (v T, raw json.RawMessage, err error) {
	return call[T](r, http.MethodGet, path, nil)
}

func call[T any](r *run, method, path string, body any) (v T, raw json.RawMessage, err error) {
	raw, err = r.api.do(r.ctx, method, path, body)
	if err != nil || len(raw) == 0 {
		return v, raw, err
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, raw, fmt.Errorf("the answer of %s%s cannot be read: %w; is the server another version than this command?", r.api.base, path, err)
	}
	return v, raw, nil
}
