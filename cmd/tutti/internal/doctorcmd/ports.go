package doctorcmd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

// checkPorts looks whether the two listeners can be opened, or are ours already.
func checkPorts(ctx context.Context, s settings) []Result {
	return []Result{
		checkPort(ctx, "port http", s.HTTP, "--http", isOurAPI),
		checkPort(ctx, "port sendspin", s.Sendspin, "--sendspin", isOurSendspin),
	}
}

func checkPort(ctx context.Context, name, addr, flag string, ours func(ctx context.Context, addr string) bool) Result {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return Result{name, Fail, fmt.Sprintf("%s %q is not an address", flag, addr), "write host:port or :port"}
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	switch {
	case err == nil:
		_ = l.Close()
		return Result{name, OK, addr + " is free", ""}
	case errors.Is(err, syscall.EADDRINUSE):
		if host == "" || host == "0.0.0.0" || host == "::" {
			host = "127.0.0.1"
		}
		if ours(ctx, net.JoinHostPort(host, port)) {
			return Result{name, OK, addr + " is held by a running Tutti server", ""}
		}
		return Result{name, Fail, addr + " is held by another program",
			fmt.Sprintf("find it with: ss -ltnp 'sport = :%s', and stop it; or choose another address with %s", port, flag)}
	case errors.Is(err, os.ErrPermission):
		return Result{name, Fail, addr + " may not be opened by this user", "choose a port above 1023 with " + flag}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return Result{name, Fail, addr + " is no address of this machine", fmt.Sprintf("write %s :%s to listen on all of them", flag, port)}
	}
	return Result{name, Fail, addr + " cannot be opened: " + plainErr(err), "choose another address with " + flag}
}

// isOurAPI asks for the API's document, which needs no token.
func isOurAPI(ctx context.Context, addr string) bool {
	status, body := fetch(ctx, "http://"+addr+"/openapi.json")
	return status == http.StatusOK && strings.Contains(body, "Tutti operator API")
}

// isOurSendspin looks for a WebSocket endpoint at the path that Sendspin
// recommends: it refuses a plain GET and says that it wants an upgrade.
func isOurSendspin(ctx context.Context, addr string) bool {
	status, _ := fetch(ctx, "http://"+addr+"/sendspin")
	return status == http.StatusUpgradeRequired || status == http.StatusBadRequest
}

func fetch(ctx context.Context, url string) (status int, body string) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, ""
	}
	// Who answers is this machine, and nothing is told to it: its certificate does not matter.
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // see above
	resp, err := c.Do(req)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<20)) // what came is enough to look at
	return resp.StatusCode, string(b)
}
