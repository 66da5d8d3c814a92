package record_test

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/services/discovery/internal/record"
)

func addrs(ss ...string) []netip.Addr {
	var out []netip.Addr
	for _, s := range ss {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

var lan = record.Network{Interface: "eth0", Prefixes: []netip.Prefix{
	netip.MustParsePrefix("192.168.1.0/24"), netip.MustParsePrefix("2001:db8:1::/64")}}

func good() record.Raw {
	return record.Raw{Instance: `Living\032Room`, Port: 8928, Text: []string{"path=/sendspin", "name=Living Room"},
		Addresses: addrs("192.168.1.20")}
}

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		name string
		edit func(*record.Raw)
		want string // the first URL, or "" when refused
		dev  string
	}{
		{"as the specification has it", func(*record.Raw) {}, "ws://192.168.1.20:8928/sendspin", "Living Room"},
		{"another path", func(r *record.Raw) { r.Text = []string{"PATH=/a/b%20c"} }, "ws://192.168.1.20:8928/a/b%20c", "Living Room"},
		{"no TXT at all", func(r *record.Raw) { r.Text = nil }, "ws://192.168.1.20:8928/sendspin", "Living Room"},
		{"the first of equal keys", func(r *record.Raw) { r.Text = []string{"path=/one", "path=/two", "name"} }, "ws://192.168.1.20:8928/one", "Living Room"},
		{"IPv4 before IPv6", func(r *record.Raw) { r.Addresses = addrs("fe80::1", "2001:db8:1::5", "192.168.1.9") }, "ws://192.168.1.9:8928/sendspin", "Living Room"},
		{"global before unique local before link-local", func(r *record.Raw) { r.Addresses = addrs("fe80::1", "fd00::5", "2001:db8:1::5") }, "ws://[2001:db8:1::5]:8928/sendspin", "Living Room"},
		{"link-local has its zone", func(r *record.Raw) { r.Addresses = addrs("fe80::1") }, "ws://[fe80::1%25eth0]:8928/sendspin", "Living Room"},
		{"mapped IPv4", func(r *record.Raw) { r.Addresses = addrs("::ffff:192.168.1.7") }, "ws://192.168.1.7:8928/sendspin", "Living Room"},
		{"another private network", func(r *record.Raw) { r.Addresses = addrs("10.9.9.9") }, "ws://10.9.9.9:8928/sendspin", "Living Room"},
		{"hostile name", func(r *record.Raw) { r.Text = []string{"name=\x1b[31mRoom\u202e\n  One\xff\x00"} }, "ws://192.168.1.20:8928/sendspin", "[31mRoom One"},

		{"the internet", func(r *record.Raw) { r.Addresses = addrs("8.8.8.8", "2606:4700::1111") }, "", ""},
		{"our own loopback", func(r *record.Raw) { r.Addresses = addrs("127.0.0.1", "::1", "0.0.0.0", "224.0.0.251") }, "", ""},
		{"no address", func(r *record.Raw) { r.Addresses = nil }, "", ""},
		{"no port", func(r *record.Raw) { r.Port = 0 }, "", ""},
		{"no instance", func(r *record.Raw) { r.Instance = "" }, "", ""},
		{"empty path", func(r *record.Raw) { r.Text = []string{"path="} }, "", ""},
		{"path with a query", func(r *record.Raw) { r.Text = []string{"path=/a?b"} }, "", ""},
		{"path that climbs", func(r *record.Raw) { r.Text = []string{"path=/a/../b"} }, "", ""},
		{"path with a line break", func(r *record.Raw) { r.Text = []string{"path=/a\r\nHost: x"} }, "", ""},
		{"endless path", func(r *record.Raw) { r.Text = []string{"path=/" + strings.Repeat("a", 300)} }, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			raw := good()
			tc.edit(&raw)
			o, err := record.Parse(raw, lan)
			if tc.want == "" {
				if fault.CodeOf(err) != fault.Invalid {
					t.Fatalf("got %v, %v; want a refusal", o, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := o.URLs()[0]; got != tc.want || o.Name != tc.dev {
				t.Errorf("got %s %q, want %s %q", got, o.Name, tc.want, tc.dev)
			}
			if u, err := url.Parse(o.URLs()[0]); err != nil || u.Port() != "8928" {
				t.Errorf("the URL cannot be parsed: %v", err)
			}
		})
	}
}

func TestKeysAreStable(t *testing.T) {
	a, _ := record.Parse(good(), lan)
	raw := good()
	raw.Instance, raw.Addresses, raw.Port = "living room", addrs("10.0.0.1"), 1
	if b, _ := record.Parse(raw, lan); a.Key != b.Key || a.Key == "" {
		t.Errorf("keys %q and %q of one instance differ", a.Key, b.Key)
	}
	raw.Instance = "living room 2"
	if b, _ := record.Parse(raw, lan); a.Key == b.Key {
		t.Error("two instances share a key")
	}
	raw.Addresses = addrs("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7", "10.0.0.8", "10.0.0.9")
	if b, _ := record.Parse(raw, lan); len(b.Addresses) != 8 {
		t.Errorf("%d addresses are kept", len(b.Addresses))
	}
}

func TestParseURL(t *testing.T) {
	for in, want := range map[string]string{
		"ws://192.168.1.20":                   "ws://192.168.1.20:8928/sendspin",
		" ws://Speaker.local:9000/x ":         "ws://speaker.local:9000/x",
		"ws://[FE80::1%25eth0]:8928/sendspin": "ws://[fe80::1%25eth0]:8928/sendspin",
		"ws://[2001:db8::1]":                  "ws://[2001:db8::1]:8928/sendspin",
		"ws://127.0.0.1:1/":                   "ws://127.0.0.1:1/sendspin",
		"ws://h:0":                            "",
		"ws://h:70000":                        "",
		"wss://h":                             "",
		"http://h":                            "",
		"h:8928":                              "",
		"ws://":                               "",
		"ws://u:p@h":                          "",
		"ws://h/a?b=c":                        "",
		"ws://h/a#b":                          "",
		"ws://ha ha/":                         "",
		"ws://0.0.0.0":                        "",
		"ws://h/\u00fc":                       "ws://h:8928/%C3%BC",
		"ws://h/" + strings.Repeat("a", 600):  "",
		"ws://" + strings.Repeat("a.", 120) + "b": "ws://" + strings.Repeat("a.", 120) + "b:8928/sendspin",
	} {
		got, err := record.ParseURL(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v; want %q", in, got, err, want)
		}
		if err != nil && !slices.Contains([]fault.Code{fault.OutOfRange, fault.Invalid}, fault.CodeOf(err)) {
			t.Errorf("%q: code %s", in, fault.CodeOf(err))
		}
		if again, err := record.ParseURL(got); got != "" && (err != nil || again != got) {
			t.Errorf("%q is no fixed point: %q, %v", got, again, err)
		}
	}
}

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{
		`a\032b`: "a b", `a\.b`: "a.b", `a\\b`: `a\b`, `\195\188`: "ü", `\999`: "999", `x\`: `x\`, `\03`: "03",
	} {
		if got := record.Unescape(in); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

// FuzzParse: whatever a record holds, what passes is safe to show and to dial.
func FuzzParse(f *testing.F) {
	f.Add("Room", 8928, "path=/sendspin", "name=Room", []byte{192, 168, 1, 2})
	f.Add(`a\032\.b`, 1, "path=/%zz", "name=\x00\u202e", []byte{10, 0, 0, 1})
	f.Add("", -1, "path", "=", []byte("fe80000000000001"))
	f.Fuzz(func(t *testing.T, instance string, port int, txt1, txt2 string, ip []byte) {
		a, _ := netip.AddrFromSlice(ip)
		o, err := record.Parse(record.Raw{Instance: instance, Port: port, Text: []string{txt1, txt2}, Addresses: []netip.Addr{a}}, lan)
		if err != nil {
			return
		}
		if !utf8.ValidString(o.Name) || utf8.RuneCountInString(o.Name) > 64 || o.Name == "" ||
			strings.ContainsFunc(o.Name, unicode.IsControl) {
			t.Fatalf("name %q", o.Name)
		}
		for _, s := range o.URLs() {
			u, err := url.Parse(s)
			if err != nil || u.Scheme != "ws" || u.Port() == "" || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(s, " \r\n\t") {
				t.Fatalf("url %q: %v", s, err)
			}
			if again, err := record.ParseURL(s); err != nil || again != s && o.Path != "/" {
				t.Fatalf("url %q does not read back: %q, %v", s, again, err)
			}
		}
	})
}

func FuzzParseURL(f *testing.F) {
	f.Add("ws://h:1/p")
	f.Add("ws://[fe80::1%25x]:1/p")
	f.Fuzz(func(t *testing.T, s string) {
		out, err := record.ParseURL(s)
		if err != nil {
			return
		}
		if again, err := record.ParseURL(out); err != nil || again != out {
			t.Fatalf("%q became %q, then %q, %v", s, out, again, err)
		}
	})
}
