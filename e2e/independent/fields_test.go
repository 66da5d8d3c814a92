package independent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// kind says what a field must be; it returns "" or the fault.
type kind func(v any) string

// field of a message; every one the specification defines is in the tables
// below and nothing else may be sent ("MUST NOT send fields the specification
// does not define for the message").
type field struct {
	name     string
	required bool
	is       kind
}

func req(name string, is kind) field { return field{name, true, is} }
func opt(name string, is kind) field { return field{name, false, is} }

func str(v any) string {
	if _, ok := v.(string); !ok {
		return fmt.Sprintf("is %T, want a string", v)
	}
	return ""
}

func boolean(v any) string {
	if _, ok := v.(bool); !ok {
		return fmt.Sprintf("is %T, want a boolean", v)
	}
	return ""
}

func integer(v any) string {
	n, ok := v.(json.Number)
	if !ok || strings.ContainsAny(n.String(), ".eE") {
		return fmt.Sprintf("is %T %v, want an integer", v, v)
	}
	return ""
}

func between(lo, hi int64) kind {
	return func(v any) string {
		if f := integer(v); f != "" {
			return f
		}
		if n, err := v.(json.Number).Int64(); err != nil || n < lo || n > hi {
			return fmt.Sprintf("is %v, want %d to %d", v, lo, hi)
		}
		return ""
	}
}

func oneOf(values ...string) kind {
	return func(v any) string {
		s, ok := v.(string)
		if !ok || !slices.Contains(values, s) {
			return fmt.Sprintf("is %v, want one of %q", v, values)
		}
		return ""
	}
}

func list(min int, of kind) kind {
	return func(v any) string {
		l, ok := v.([]any)
		if !ok {
			return fmt.Sprintf("is %T, want an array", v)
		}
		if len(l) < min {
			return fmt.Sprintf("has %d elements, want at least %d", len(l), min)
		}
		seen := map[any]bool{}
		for i, e := range l {
			if f := of(e); f != "" {
				return fmt.Sprintf("[%d] %s", i, f)
			}
			if seen[e] {
				return fmt.Sprintf("has %v twice", e)
			}
			seen[e] = true
		}
		return ""
	}
}

// array is a list whose elements may be equal, with a length between the two.
func array(lo, hi int, of kind) kind {
	return func(v any) string {
		l, ok := v.([]any)
		if !ok || len(l) < lo || len(l) > hi {
			return fmt.Sprintf("is %v, want an array of %d to %d elements", v, lo, hi)
		}
		for i, e := range l {
			if f := of(e); f != "" {
				return fmt.Sprintf("[%d] %s", i, f)
			}
		}
		return ""
	}
}

func object(fields ...field) kind {
	return func(v any) string {
		m, ok := v.(map[string]any)
		if !ok {
			return fmt.Sprintf("is %T, want an object", v)
		}
		for _, f := range fields {
			x, there := m[f.name]
			if !there && f.required {
				return fmt.Sprintf("lacks %q", f.name)
			}
			if !there {
				continue
			}
			if fault := f.is(x); fault != "" {
				return f.name + " " + fault
			}
		}
		for name := range m {
			if !slices.ContainsFunc(fields, func(f field) bool { return f.name == name }) {
				return fmt.Sprintf("has %q, which the specification does not define here", name)
			}
		}
		return ""
	}
}

var (
	codecs = oneOf("opus", "flac", "pcm")
	roleOf = oneOf("player", "artwork", "visualizer")
	// commands of a controller, in the order of the specification.
	commands = oneOf("play", "pause", "stop", "next", "previous", "volume", "mute", "repeat_off", "repeat_one",
		"repeat_all", "shuffle", "unshuffle", "switch", "seek", "seek_relative")
)

// b64Of is n bytes in base64url without padding.
func b64Of(n int) kind {
	return func(v any) string {
		s, _ := v.(string)
		if b, err := b64.DecodeString(s); err != nil || len(b) != n {
			return fmt.Sprintf("is %v, want %d bytes in unpadded base64url", v, n)
		}
		return ""
	}
}

// payloads of every message that a server may send.
func payloads() map[string]kind {
	return map[string]kind{
		"server/init":     object(req("server_id", str), req("version", integer)),
		"noise/handshake": object(req("data", str)),
		"server/error":    object(req("reason", oneOf("unsupported_version", "unsupported_suite", "malformed"))),
		"server/hello": object(req("name", str), opt("languages", list(1, str)),
			opt("source@v1_support", object(req("supported_codecs", list(2, codecs))))),
		"server/activate": object(req("activities", list(0, oneOf("playback", "pairing"))), opt("active_roles", list(0, str)),
			opt("pairing", object(req("method", oneOf("dynamic_pairing_code", "pairing_psk", "static_pairing_code")), opt("format", oneOf("digits", "qr_code"))))),
		"server/time": object(req("client_transmitted", integer), req("server_received", integer), req("server_transmitted", integer)),
		"server/state": object(opt("metadata", metadata()), opt("controller", object(
			req("supported_commands", list(0, commands)), req("volume", between(0, 100)), req("muted", boolean),
			req("repeat", oneOf("off", "one", "all")), req("shuffle", boolean), opt("seek_max_ms", between(0, 1<<53)))),
			opt("color", colors())),
		"server/command": object(opt("player", object(req("command", oneOf("volume", "mute", "set_output_delay")),
			opt("volume", between(0, 100)), opt("mute", boolean), opt("output_delay_ms", between(0, 5000)))),
			opt("source", object(req("command", oneOf("start", "stop"))))),
		"stream/start": object(req("server_transmitted", integer), opt("player", object(req("codec", codecs),
			req("sample_rate", between(1, 1<<20)), req("channels", between(1, 64)), req("bit_depth", between(1, 32)), opt("codec_header", str))),
			opt("artwork", object(req("channels", array(0, 4, artworkChannel)))), opt("visualizer", visualizerStream())),
		"stream/clear":         object(req("server_transmitted", integer), opt("roles", list(1, oneOf("player", "visualizer")))),
		"stream/end":           object(opt("roles", list(1, roleOf))),
		"server/pair-init":     object(opt("nonce_A", b64Of(32))),
		"server/pair-auth":     object(req("pake_msg_1", b64Of(32))),
		"server/pair-confirm":  object(req("server_kc", b64Of(64))),
		"server/pair-finalize": object(),
		"pair/abort":           object(req("reason", oneOf("pairing_code_mismatch", "user_cancelled"))), // those of a server
		"server/unpair":        object(),
		"group/update":         object(req("playback_state", oneOf("playing", "stopped")), req("group_id", str), req("group_name", str)),
	}
}

func metadata() kind {
	return object(req("timestamp", integer), opt("title", str), opt("artist", str), opt("album_artist", str), opt("album", str),
		opt("artwork_url", str), opt("year", between(0, 9999)), opt("track", between(1, 1<<31)),
		opt("progress", object(req("track_progress", between(0, 1<<53)), req("track_duration", between(0, 1<<53)), req("playback_speed", between(0, 1<<31)))))
}

// colors is the color object of server/state.
func colors() kind {
	rgb := array(3, 3, between(0, 255))
	return object(req("timestamp", integer), opt("background_dark", rgb), opt("background_light", rgb), opt("primary", rgb),
		opt("accent", rgb), opt("on_dark", rgb), opt("on_light", rgb))
}

// artworkChannel is an element of the artwork object of stream/start.
func artworkChannel(v any) string {
	if m, _ := v.(map[string]any); m["source"] == "none" {
		return object(req("source", oneOf("none")))(v)
	}
	return object(req("source", oneOf("album", "artist")), req("format", oneOf("jpeg", "png")),
		req("width", between(1, 1<<31)), req("height", between(1, 1<<31)))(v)
}

// visualizerStream is the visualizer object of stream/start.
func visualizerStream() kind {
	shape := object(req("types", list(0, oneOf("beat", "loudness", "f_peak", "peak", "spectrum"))), req("rate_max", between(1, 1<<31)),
		opt("tracks_downbeats", boolean), opt("spectrum", object(req("n_disp_bins", between(1, 1<<31)), req("scale", oneOf("mel", "log", "lin")),
			req("f_min", between(0, 1<<31)), req("f_max", between(0, 1<<31)))))
	return func(v any) string {
		if f := shape(v); f != "" {
			return f
		}
		m := v.(map[string]any)
		types := m["types"].([]any)
		for name, field := range map[string]string{"beat": "tracks_downbeats", "spectrum": "spectrum"} {
			if _, there := m[field]; there != slices.Contains(types, any(name)) {
				return fmt.Sprintf("has the types %v, but %s: %v", types, field, there)
			}
		}
		return ""
	}
}

// parse reads one JSON message and judges its envelope and every field.
func parse(raw []byte) (typ string, payload map[string]any, fault string) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		return "", nil, err.Error()
	}
	typ, _ = m["type"].(string)
	payload, isObject := m["payload"].(map[string]any)
	if typ == "" || !isObject || len(m) != 2 {
		return typ, payload, fmt.Sprintf("%.200s is not an envelope of type and payload alone", raw)
	}
	is, known := payloads()[typ]
	if !known {
		return typ, payload, fmt.Sprintf("%q is no message of a server here", typ)
	}
	if f := is(map[string]any(payload)); f != "" {
		return typ, payload, fmt.Sprintf("%s %s: %.300s", typ, f, raw)
	}
	return typ, payload, ""
}

// judgeJSON is parse for one expected message.
func judgeJSON(t testing.TB, raw []byte, want string) map[string]any {
	t.Helper()
	typ, payload, fault := parse(raw)
	if fault != "" {
		t.Fatal(fault)
	}
	if typ != want {
		t.Fatalf("got %.200s, want %s", raw, want)
	}
	return payload
}
