package independent

import (
	"testing"
	"time"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// TestPairingAway: with the pairing service dead, a running session goes on, a device
// that was served lately reconnects on its record, a stranger is refused and never
// taken for an unpaired one, and the API says 503.
func TestPairingAway(t *testing.T) {
	t.Parallel()
	s := harness.StartServer(t, "distributed", harness.Options{})
	w := ways()[0]
	stays := connect(t, s.Sendspin, options{pair: w.pair()})
	w.run(stays, s)
	stays.paired(s)
	returns := connect(t, s.Sendspin, options{pair: w.pair()})
	w.run(returns, s)
	returns.paired(s)
	returns.leave() // and once more, to be known by its record
	returns = connect(t, s.Sendspin, returns.o)
	returns.onRecord(s)
	returns.leave()

	s.Kill("pairing")
	stays.sync(2)
	returns = connect(t, s.Sendspin, returns.o)
	returns.await("roles from memory", 0, hasRoles)
	if psk, _ := returns.keyed(); psk != "lt" {
		t.Errorf("it came back on category %s", psk)
	}
	stranger := dialWS(t, s.Sendspin)
	check(t, stranger.text(clientInit(idOf(newKey(t)), suiteChaCha)))
	stranger.mustClose(t)
	began := time.Now()
	if st := status(s.Do("POST", "/api/v1/clients/"+stays.id+"/unpair", nil, nil)); st != 503 {
		t.Errorf("a decision without the pairing service is answered with %d after %s, want 503", st, time.Since(began))
	}
	stays.sync(2)
	s.Launch(t)
	connect(t, s.Sendspin, options{}).sync(1)
	stays.sync(2)
}
