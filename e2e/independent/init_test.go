package independent

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// testOpening: both suites and every legal spelling of client/init reach
// transport mode, with the prologue over the bytes as they were sent.
func testOpening(t *testing.T, s *harness.Server) {
	for _, suite := range []string{suiteChaCha, suiteAES} {
		t.Run(suite, func(t *testing.T) {
			d := connect(t, s.Sendspin, options{suite: suite})
			d.sync(2)
		})
	}
	var wide strings.Builder
	for _, r := range suiteChaCha {
		fmt.Fprintf(&wide, `\u%04x`, r)
	}
	for name, spelling := range map[string]string{
		"whitespace":             " \n\t{ \"payload\"\r\n:\t{\"suite\" : %[2]q , \"client_id\":\t%[1]q\n,\"version\": 1 } ,\"type\" :\"client/init\"}\n\n ",
		"unknown fields":         `{"type":"client/init","payload":{"a":{"version":2},"version":1,"client_id":%[1]q,"suite":%[2]q,"zz":[1,{"suite":null}],"_x":1e400}}`,
		"escaped strings":        `{"typ\u0065":"client\/init","payload":{"client_id":%[1]q,"\u0076ersion":1,"suite":"` + wide.String() + `"}}`,
		"fields of another case": `{"type":"client/init","payload":{"client_id":%[1]q,"version":1,"suite":%[2]q,"VERSION":2,"Suite":"none","CLIENT_ID":7},"TYPE":"x"}`,
		"text beyond ASCII":      `{"type":"client/init","payload":{"client_id":%[1]q,"version":1,"suite":%[2]q,"note":"Küche 🎵 \ud83c\udfb5"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			key, w := newKey(t), dialWS(t, s.Sendspin)
			init := fmt.Appendf(nil, spelling, idOf(key), suiteChaCha)
			o := open(t, w, key, suiteChaCha, init)
			opts := options{key: key}
			opts.fill(t)
			d := start(t, w, opts, o)
			d.await("server/hello", 0, isType("server/hello"))
		})
	}
	t.Run("in many WebSocket frames", func(t *testing.T) {
		key, w := newKey(t), dialWS(t, s.Sendspin)
		init := clientInit(idOf(key), suiteAES)
		check(t, w.frame(opText, false, init[:7]))
		check(t, w.frame(opPing, true, []byte("between")))
		for _, b := range init[7:] {
			check(t, w.frame(opContinuation, false, []byte{b}))
		}
		check(t, w.frame(opContinuation, true, nil))
		expectOpening(t, w, key, suiteAES, init, nil)
	})
	t.Run("one identity, fresh ephemerals", func(t *testing.T) {
		key := newKey(t)
		init := clientInit(idOf(key), suiteChaCha)
		a, b := dialWS(t, s.Sendspin), dialWS(t, s.Sendspin)
		x, y := open(t, a, key, suiteChaCha, init), open(t, b, key, suiteChaCha, init)
		if !bytes.Equal(x.serverInit, y.serverInit) {
			t.Errorf("server/init differs: %s, %s", x.serverInit, y.serverInit)
		}
		if bytes.Equal(x.hs.PeerEphemeral(), y.hs.PeerEphemeral()) {
			t.Error("the server used one ephemeral key twice")
		}
	})
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// testInitFailures: an init failure is answered in place of server/init, with
// its reason, and the connection ends; a good client connects right after.
func testInitFailures(t *testing.T, s *harness.Server) {
	id := idOf(newKey(t))
	init := func(payload string) string { return `{"type":"client/init","payload":{` + payload + `}}` }
	good := fmt.Sprintf(`"client_id":%q,"suite":%q`, id, suiteChaCha)
	suiteField, idField := fmt.Sprintf(`"suite":%q`, suiteChaCha), fmt.Sprintf(`"client_id":%q`, id)
	// The last of 43 characters carries two bits that must be zero.
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	odd := id[:42] + string(alphabet[strings.IndexByte(alphabet, id[42])|1])
	for name, c := range map[string]struct{ send, reason string }{
		"version 2":                        {init(`"version":2,` + good), "unsupported_version"},
		"version 2 and garbage":            {init(`"version":2,"client_id":{"a":[]},"suite":17`), "unsupported_version"},
		"version 2 alone":                  {init(`"version":2`), "unsupported_version"},
		"version 0":                        {init(`"version":0,` + good), "unsupported_version"},
		"version -1":                       {init(`"version":-1,` + good), "unsupported_version"},
		"version beyond 64 bits":           {init(`"version":98765432109876543210,` + good), "unsupported_version"},
		"version is a string":              {init(`"version":"2",` + good), "malformed"},
		"version is a fraction":            {init(`"version":1.5,` + good), "malformed"},
		"version is null":                  {init(`"version":null,` + good), "malformed"},
		"version is true":                  {init(`"version":true,` + good), "malformed"},
		"no version":                       {init(good), "malformed"},
		"no version, bad suite":            {init(`"suite":"none",` + idField), "malformed"},
		"version in another case":          {init(`"Version":1,` + good), "malformed"},
		"unknown suite":                    {init(`"version":1,"suite":"25519_ChaChaPoly_BLAKE2s",` + idField), "unsupported_suite"},
		"unknown suite, wrong client_id":   {init(`"version":1,"suite":"none","client_id":5`), "unsupported_suite"},
		"unknown suite, no client_id":      {init(`"version":1,"suite":""`), "unsupported_suite"},
		"suite in another case":            {init(`"version":1,"suite":"25519_chachapoly_sha256",` + idField), "unsupported_suite"},
		"suite is a number":                {init(`"version":1,"suite":1,` + idField), "malformed"},
		"no suite":                         {init(`"version":1,` + idField), "malformed"},
		"no client_id":                     {init(`"version":1,` + suiteField), "malformed"},
		"client_id is null":                {init(`"version":1,"client_id":null,` + suiteField), "malformed"},
		"client_id of 42 characters":       {init(`"version":1,"client_id":"` + id[:42] + `",` + suiteField), "malformed"},
		"client_id of 44 characters":       {init(`"version":1,"client_id":"` + id + `=",` + suiteField), "malformed"},
		"client_id in standard base64":     {init(`"version":1,"client_id":"` + strings.Repeat("+/", 21) + `A",` + suiteField), "malformed"},
		"client_id with a line break":      {init(`"version":1,"client_id":"` + id[:20] + `\n` + id[20:42] + `",` + suiteField), "malformed"},
		"client_id with non-zero rest":     {init(`"version":1,"client_id":"` + odd + `",` + suiteField), "malformed"},
		"another type":                     {`{"type":"client/hello","payload":{"version":1,` + good + `}}`, "malformed"},
		"type in another case":             {`{"Type":"client/init","payload":{"version":1,` + good + `}}`, "malformed"},
		"no type":                          {`{"payload":{"version":1,` + good + `}}`, "malformed"},
		"type is a number":                 {`{"type":1,"payload":{"version":1,` + good + `}}`, "malformed"},
		"no payload":                       {`{"type":"client/init"}`, "malformed"},
		"payload is an array":              {`{"type":"client/init","payload":[{"version":1}]}`, "malformed"},
		"payload is a string":              {`{"type":"client/init","payload":"{}"}`, "malformed"},
		"an array":                         {`[{"type":"client/init","payload":{"version":1,` + good + `}}]`, "malformed"},
		"null":                             {`null`, "malformed"},
		"nothing":                          {``, "malformed"},
		"not JSON":                         {`client/init 2`, "malformed"},
		"cut off":                          {init(`"version":1,` + good)[:60], "malformed"},
		"two values":                       {init(`"version":1,`+good) + `{}`, "malformed"},
		"a byte order mark":                {"\ufeff" + init(`"version":1,`+good), "malformed"},
		"version 2 in an envelope cut off": {init(`"version":2,` + good)[:40], "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := dialWS(t, s.Sendspin)
			check(t, w.text([]byte(c.send)))
			m := judgeJSON(t, w.mustText(t), "server/error")
			if m["reason"] != c.reason {
				t.Errorf("reason %q, want %q", m["reason"], c.reason)
			}
			w.mustClose(t)
		})
	}
	connect(t, s.Sendspin, options{}).sync(1)
}

// testOddInits: what the specification leaves between malformed and silent
// must still end the connection, and nothing else.
func testOddInits(t *testing.T, s *harness.Server) {
	zero := b64.EncodeToString(make([]byte, 32))
	one := b64.EncodeToString(append([]byte{1}, make([]byte, 31)...))
	for name, c := range map[string]struct {
		op   byte
		send []byte
	}{
		"binary":              {opBinary, clientInit(idOf(newKey(t)), suiteChaCha)},
		"invalid UTF-8":       {opText, []byte(`{"type":"client/init","payload":{"version":1,"x":"` + "\xff\xfe" + `"}}`)},
		"the key zero":        {opText, clientInit(zero, suiteChaCha)},
		"a key of low order":  {opText, clientInit(one, suiteAES)},
		"a megabyte of space": {opText, bytes.Repeat([]byte(" "), 1<<20)},
		"deep nesting":        {opText, bytes.Repeat([]byte(`{"payload":[`), 3000)},
	} {
		t.Run(name, func(t *testing.T) {
			w := dialWS(t, s.Sendspin)
			_ = w.frame(c.op, true, c.send) // the server may close while we write
			for range 2 {
				_, data, err := w.readWithin(closing)
				if err != nil {
					break
				}
				if m := judgeJSON(t, data, "server/error"); m["reason"] != "malformed" {
					t.Errorf("reason %q", m["reason"])
				}
			}
			if _, _, err := w.readWithin(closing); err == nil || isTimeout(err) {
				t.Errorf("the connection goes on: %v", err)
			}
		})
	}
	connect(t, s.Sendspin, options{}).sync(1)
}

// testSilentFailures: after server/init every failure of the handshake closes
// without a word.
func testSilentFailures(t *testing.T, s *harness.Server) {
	message := func(data []byte) (byte, []byte) { return opText, handshakeJSON(data) }
	for name, c := range map[string]struct {
		payload string
		answer  func(t *testing.T, data []byte) (op byte, body []byte)
	}{
		"tampered":            {"{}", func(_ *testing.T, d []byte) (byte, []byte) { d[40] ^= 1; return message(d) }},
		"tampered ephemeral":  {"{}", func(_ *testing.T, d []byte) (byte, []byte) { d[3] ^= 1; return message(d) }},
		"low-order ephemeral": {"{}", func(_ *testing.T, d []byte) (byte, []byte) { clear(d[:32]); return message(d) }},
		"truncated":           {"{}", func(_ *testing.T, d []byte) (byte, []byte) { return message(d[:len(d)-1]) }},
		"empty":               {"{}", func(_ *testing.T, d []byte) (byte, []byte) { return message(nil) }},
		"prolonged":           {"{}", func(_ *testing.T, d []byte) (byte, []byte) { return message(append(d, 0)) }},
		"no inner payload":    {"", func(_ *testing.T, d []byte) (byte, []byte) { return message(d) }},
		"inner array":         {"[]", func(_ *testing.T, d []byte) (byte, []byte) { return message(d) }},
		"inner garbage":       {"{", func(_ *testing.T, d []byte) (byte, []byte) { return message(d) }},
		"padded base64": {"{}", func(_ *testing.T, d []byte) (byte, []byte) {
			return opText, bytes.Replace(handshakeJSON(d), []byte(`"}}`), []byte(`="}}`), 1)
		}},
		"no data": {"{}", func(*testing.T, []byte) (byte, []byte) {
			return opText, []byte(`{"type":"noise/handshake","payload":{}}`)
		}},
		"data a number": {"{}", func(*testing.T, []byte) (byte, []byte) {
			return opText, []byte(`{"type":"noise/handshake","payload":{"data":1}}`)
		}},
		"not JSON": {"{}", func(*testing.T, []byte) (byte, []byte) { return opText, []byte("\x00") }},
		"another type": {"{}", func(_ *testing.T, d []byte) (byte, []byte) {
			return opText, bytes.Replace(handshakeJSON(d), []byte("noise/"), []byte("noisy/"), 1)
		}},
		"as binary":    {"{}", func(_ *testing.T, d []byte) (byte, []byte) { return opBinary, handshakeJSON(d) }},
		"bare, binary": {"{}", func(_ *testing.T, d []byte) (byte, []byte) { return opBinary, d }},
		"init again":   {"{}", func(t *testing.T, _ []byte) (byte, []byte) { return opText, clientInit(idOf(newKey(t)), suiteChaCha) }},
		"a version 2": {"{}", func(*testing.T, []byte) (byte, []byte) {
			return opText, []byte(`{"type":"client/init","payload":{"version":2}}`)
		}},
		"another's key":    {"other", nil},
		"another prologue": {"prologue", nil},
	} {
		t.Run(name, func(t *testing.T) {
			key, w := newKey(t), dialWS(t, s.Sendspin)
			init := clientInit(idOf(key), suiteChaCha)
			o := open(t, w, key, suiteChaCha, init)
			switch c.payload {
			case "other", "prologue":
				// Message 2 of a handshake that another connection began.
				other := open(t, dialWS(t, s.Sendspin), key, suiteChaCha, append(init, ' '))
				data, _, _ := other.message2(t, "{}")
				check(t, w.text(handshakeJSON(data)))
			default:
				data, _, _ := o.message2(t, c.payload)
				op, body := c.answer(t, data)
				check(t, w.frame(op, true, body))
			}
			w.mustClose(t)
		})
	}
	connect(t, s.Sendspin, options{}).sync(1)
}

// testBeforeActivation: between Noise and the first server/activate the server
// says server/hello alone, whatever the client does.
func testBeforeActivation(t *testing.T, s *harness.Server) {
	t.Run("goodbye is allowed", func(t *testing.T) {
		d := handshake(t, s.Sendspin, options{})
		d.send("client/goodbye", obj{"reason": "shutdown"})
		d.awaitClosed("client/goodbye")
	})
	for _, typ := range []string{"client/time", "client/state", "client/command", "client/leave", "client/unknown"} {
		t.Run(typ+" is no answer to hello", func(t *testing.T) {
			d := handshake(t, s.Sendspin, options{})
			d.await("server/hello", 0, isType("server/hello"))
			payload := obj{}
			if typ == "client/time" {
				payload["client_transmitted"] = now()
			}
			if typ == "client/state" {
				payload["available"] = true
			}
			d.send(typ, payload)
			d.sendRaw(`{"type":"client/time","payload":{"client_transmitted":5}}`)
			d.awaitClosed(typ + " before client/hello") // the referee sees what is said until then
		})
	}
	t.Run("hello of the wrong shape", func(t *testing.T) {
		for _, hello := range []obj{
			{}, {"name": 5}, {"name": "x", "supported_roles": "player@v1"}, {"name": "x", "supported_roles": []any{1}},
			{"name": "x", "supported_roles": []string{}, "supported_pair_methods": []any{}, "unpaired_access": obj{"enabled": true}},
			{"name": "x", "supported_roles": []string{}, "supported_pair_methods": obj{"pairing_psk": obj{}}, "unpaired_access": obj{"enabled": "yes"}},
		} {
			d := handshake(t, s.Sendspin, options{})
			d.await("server/hello", 0, isType("server/hello"))
			d.send("client/hello", hello)
			d.awaitClosed(fmt.Sprintf("client/hello %v", hello))
		}
	})
}

func isTimeout(err error) bool {
	var ne interface{ Timeout() bool }
	return errors.As(err, &ne) && ne.Timeout()
}
