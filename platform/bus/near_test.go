package bus

import (
	"strings"
	"testing"
)

func TestTheNodeOnThisHostComesFirst(t *testing.T) {
	local := func(host string) bool { return host == "10.0.0.2" }
	seen := map[string]bool{}
	for range 200 {
		got := strings.Split(nearFirst("tls://u:p@10.0.0.1:4222, 10.0.0.2:4222,nats://10.0.0.3:4222,nats://%zz", local), ",")
		if len(got) != 4 || got[0] != "10.0.0.2:4222" {
			t.Fatalf("order %v", got)
		}
		seen[got[1]] = true
	}
	if len(seen) != 3 {
		t.Errorf("the others are not shuffled: second are only %v", seen)
	}
	if !onThisHost("127.0.0.1") || !onThisHost("localhost") || onThisHost("192.0.2.77") || onThisHost("nats.example") {
		t.Error("the addresses of this host are not told from others")
	}
}
