package record

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/tutti-audio/tutti/platform/fault"
)

// URL is the ws:// address of a device. An IPv6 address stands in brackets; the zone
// of a link-local one is percent-encoded, as RFC 6874 has it.
func URL(a netip.Addr, port uint16, path string) string {
	host := a.String()
	if a.Is6() {
		host = "[" + strings.Replace(host, "%", "%25", 1) + "]"
	}
	return "ws://" + host + ":" + strconv.Itoa(int(port)) + path
}

// maxURL bounds an address that a person gives.
const maxURL = 512

// ParseURL checks an address that a person gives and writes it in one form: scheme,
// lower-case host, port (8928 when absent), path (/sendspin when absent).
func ParseURL(s string) (string, error) {
	s = strings.TrimSpace(s)
	if len(s) > maxURL {
		return "", badURL("is longer than %d bytes", maxURL)
	}
	u, err := url.Parse(s)
	if err != nil {
		return "", badURL("cannot be read")
	}
	switch {
	case u.Scheme == "wss":
		return "", badURL("starts with wss://; Sendspin is ws://, its encryption is inside")
	case u.Scheme != "ws" || u.Hostname() == "":
		return "", badURL("must look like ws://192.168.1.20:8928/sendspin")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", badURL("must have no user name, query or fragment")
	}
	host, err := checkHost(u.Hostname())
	if err != nil {
		return "", err
	}
	port := strconv.Itoa(DefaultPort)
	if u.Port() != "" {
		n, err := strconv.ParseUint(u.Port(), 10, 16)
		if err != nil || n == 0 {
			return "", badURL("has a port that is not 1 to 65535")
		}
		port = strconv.FormatUint(n, 10)
	}
	path := u.EscapedPath()
	if path == "" || path == "/" {
		path = DefaultPath
	}
	if err := CheckPath(path); err != nil {
		return "", err
	}
	if strings.Contains(host, ":") {
		return "ws://[" + strings.Replace(host, "%", "%25", 1) + "]:" + port + path, nil
	}
	return "ws://" + net.JoinHostPort(host, port) + path, nil
}

// checkHost accepts an IP address that one can connect to, or a DNS name.
func checkHost(host string) (string, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		if a.IsUnspecified() || a.IsMulticast() {
			return "", badURL("has an address that nobody listens at")
		}
		return a.Unmap().String(), nil
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if len(host) == 0 || len(host) > 253 {
		return "", badURL("has a host name of %d bytes", len(host))
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", badURL("has a host name that DNS does not allow")
		}
	}
	return host, nil
}

func badURL(format string, a ...any) error {
	e := fault.New(fault.OutOfRange, "the device address "+format, a...)
	return e.WithField("body.url", e.Msg)
}
