package api

import (
	"net/url"
	"strings"
	"testing"
)

func FuzzDeviceURL(f *testing.F) {
	for _, s := range []string{"ws://h", "ws://h:1/x", "ws://[::1]", "ws://[fe80::1%25eth0]:8928/sendspin", "ws://h:", "wss://h", "ws://u@h", "ws://h/#f", "://", "ws:h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := DeviceURL(s)
		if err != nil {
			return
		}
		u, err := url.Parse(got)
		if err != nil || u.Scheme != "ws" || u.Hostname() == "" || u.Port() == "" || !strings.HasPrefix(u.Path, "/") {
			t.Fatalf("DeviceURL(%q) = %q (%v)", s, got, err)
		}
		if again, err := DeviceURL(got); err != nil || again != got {
			t.Fatalf("DeviceURL(%q) = %q, and of that %q, %v", s, got, again, err)
		}
	})
}

func FuzzLanguageTag(f *testing.F) {
	for _, s := range []string{"en", "de-CH", "zh-Hant-TW", "", "-", "e", "en-", "1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if languageTag(s) && strings.ContainsFunc(s, func(r rune) bool { return r > 127 || r <= ' ' }) {
			t.Fatalf("languageTag(%q) let it pass", s)
		}
	})
}
