package wire

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// fault decodes a payload and returns the field and problem of its *FieldError.
func fault(t *testing.T, client bool, typ, payload string) (field, problem string) {
	t.Helper()
	_, err := decodeFrom(client, []byte(`{"type":"`+typ+`","payload":`+payload+`}`))
	var fe *FieldError
	if !errors.As(err, &fe) {
		return "", ""
	}
	if fe.Message != typ {
		t.Errorf("%s %s: the error names message %q", typ, payload, fe.Message)
	}
	return fe.Field, fe.Problem
}

func TestFieldErrorsNameTheField(t *testing.T) {
	const play = `"output_delay_ms":0,"required_lead_time_ms":0,"min_buffer_ms":0,"supported_commands":[]`
	const methods = `"supported_pair_methods":{"pairing_psk":{}}`
	for _, c := range []struct {
		client       bool
		typ, payload string
		field        string
	}{
		{true, "client/time", `{}`, "client_transmitted"},
		{true, "client/time", `{"client_transmitted":null}`, "client_transmitted"},
		{true, "client/time", `{"client_transmitted":1.0}`, "client_transmitted"},
		{true, "client/time", `{"client_transmitted":1e3}`, "client_transmitted"},
		{true, "client/time", `{"client_transmitted":"1"}`, "client_transmitted"},
		{true, "client/time", `{"client_transmitted":9223372036854775808}`, "client_transmitted"},
		{true, "client/time", `{"Client_transmitted":1}`, "client_transmitted"},
		{false, "server/time", `{"client_transmitted":1,"server_received":2}`, "server_transmitted"},
		{false, "server/hello", `{}`, "name"},
		{false, "server/hello", `{"name":"x","languages":"en"}`, "languages"},
		{false, "server/hello", `{"name":"x","languages":["en",1]}`, "languages"},
		{false, "server/hello", `{"name":"x","source@v1_support":{}}`, "source@v1_support.supported_codecs"},
		{false, "server/hello", `{"name":"x","source@v1_support":null}`, "source@v1_support"},
		{true, "client/hello", `{"name":1,"supported_roles":[],` + hello + `}`, "name"},
		{true, "client/hello", `{"name":"x",` + hello + `}`, "supported_roles"},
		{true, "client/hello", `{"name":"x","supported_roles":[null],` + hello + `}`, "supported_roles"},
		{true, "client/hello", `{"name":"x","supported_roles":[],"device_info":{"mac_address":3},` + hello + `}`, "device_info.mac_address"},
		{true, "client/hello", `{"name":"x","supported_roles":[],` + methods + `}`, "unpaired_access"},
		{true, "client/hello", `{"name":"x","supported_roles":[],` + methods + `,"unpaired_access":{}}`, "unpaired_access.enabled"},
		{true, "client/hello", `{"name":"x","supported_roles":[],"unpaired_access":{"enabled":true}}`, "supported_pair_methods"},
		{true, "client/hello", `{"name":"x","supported_roles":[],"supported_pair_methods":[],"unpaired_access":{"enabled":true}}`, "supported_pair_methods"},
		{true, "client/hello", `{"name":"x","supported_roles":[],"supported_pair_methods":{},"unpaired_access":{"enabled":true}}`, "supported_pair_methods.pairing_psk"},
		{true, "client/hello", `{"name":"x","supported_roles":[],"supported_pair_methods":{"pairing_psk":{"locations":"x"}},"unpaired_access":{"enabled":true}}`, "supported_pair_methods.pairing_psk.locations"},
		{true, "client/hello", `{"name":"x","supported_roles":[],"supported_pair_methods":{"pairing_psk":{},"dynamic_pairing_code":{"formats":[]}},"unpaired_access":{"enabled":true}}`, "supported_pair_methods.dynamic_pairing_code.out_channels"},
		{true, "client/hello", `{"name":"x","supported_roles":["player@v1"],"player@v1_support":{"buffer_capacity":1},` + hello + `}`, "player@v1_support.supported_formats"},
		{true, "client/hello", `{"name":"x","supported_roles":["player@v1"],"player@v1_support":{"supported_formats":[],"buffer_capacity":1},` + hello + `}`, "player@v1_support.supported_formats"},
		{true, "client/hello", `{"name":"x","supported_roles":["player@v1"],"player@v1_support":{"supported_formats":[{"codec":"pcm","channels":0,"sample_rate":1,"bit_depth":1}],"buffer_capacity":1},` + hello + `}`, "player@v1_support.supported_formats.channels"},
		{true, "client/hello", `{"name":"x","supported_roles":["player@v1"],"player@v1_support":{"supported_formats":[{"codec":"pcm","channels":2,"sample_rate":1}],"buffer_capacity":1},` + hello + `}`, "player@v1_support.supported_formats.bit_depth"},
		{true, "client/hello", `{"name":"x","supported_roles":["player@v1"],"player@v1_support":{"supported_formats":[{"codec":"opus","channels":2,"sample_rate":1}],"buffer_capacity":-1},` + hello + `}`, "player@v1_support.buffer_capacity"},
		{false, "server/activate", `{}`, "activities"},
		{false, "server/activate", `{"activities":["pairing"]}`, "pairing"},
		{false, "server/activate", `{"activities":["pairing"],"pairing":{"method":"dynamic_pairing_code"}}`, "pairing.format"},
		{false, "server/activate", `{"activities":[],"active_roles":null}`, "active_roles"},
		{true, "client/state", `{}`, "available"},
		{true, "client/state", `{"available":"yes"}`, "available"},
		{true, "client/state", `{"available":true,"player":[]}`, "player"},
		{true, "client/state", `{"available":true,"player":{}}`, "player.output_delay_ms"},
		{true, "client/state", `{"available":true,"player":{"volume":101,` + play + `}}`, "player.volume"},
		{true, "client/state", `{"available":true,"player":{"volume":-1,` + play + `}}`, "player.volume"},
		{true, "client/state", `{"available":true,"player":{"volume":null,` + play + `}}`, "player.volume"},
		{true, "client/state", `{"available":true,"player":{"output_delay_ms":0,"required_lead_time_ms":-1,"min_buffer_ms":0,"supported_commands":[]}}`, "player.required_lead_time_ms"},
		{true, "client/state", `{"available":true,"player":{"output_delay_ms":0,"required_lead_time_ms":0,"min_buffer_ms":0,"supported_commands":["volume"]}}`, "player.volume"},
		{true, "client/state", `{"available":true,"player":{"output_delay_ms":0,"required_lead_time_ms":0,"min_buffer_ms":0,"supported_commands":["mute"]}}`, "player.muted"},
		{true, "client/state", `{"available":true,"player":{"format":{"codec":"mp3"},` + play + `}}`, "player.format.codec"},
		{true, "client/state", `{"available":true,"source":{"signal":"maybe"}}`, "source.signal"},
		{true, "client/state", `{"available":true,"artwork":{"channels":[{"source":"none"},{"source":"none"},{"source":"none"},{"source":"none"},{"source":"none"}]}}`, "artwork.channels"},
		{true, "client/state", `{"available":true,"artwork":{"channels":[{"source":"album","format":"gif","width":1,"height":1}]}}`, "artwork.channels.format"},
		{true, "client/state", `{"available":true,"artwork":{"channels":[{"source":"album","format":"png","width":1}]}}`, "artwork.channels.height"},
		{true, "client/state", `{"available":true,"visualizer":{"types":["spectrum"],"rate_max":1}}`, "visualizer.spectrum"},
		{true, "client/state", `{"available":true,"visualizer":{"types":[],"rate_max":0}}`, "visualizer.rate_max"},
		{true, "client/state", `{"available":true,"visualizer":{"types":[],"rate_max":1,"spectrum":{"n_disp_bins":1,"scale":"mel","f_min":9,"f_max":8}}}`, "visualizer.spectrum.f_max"},
		{true, "client/command", `{"controller":{}}`, "controller.command"},
		{true, "client/command", `{"controller":{"command":"volume"}}`, "controller.volume"},
		{true, "client/command", `{"controller":{"command":"volume","volume":101}}`, "controller.volume"},
		{true, "client/command", `{"controller":{"command":"seek"}}`, "controller.position_ms"},
		{true, "client/command", `{"controller":{"command":"seek_relative","offset_ms":1.5}}`, "controller.offset_ms"},
		{false, "server/command", `{"player":{"command":"mute","mute":1}}`, "player.mute"},
		{false, "server/command", `{"player":{"command":"set_output_delay","output_delay_ms":5001}}`, "player.output_delay_ms"},
		{false, "server/command", `{"source":{"command":"pause"}}`, "source.command"},
		{false, "server/state", `{"metadata":{}}`, "metadata.timestamp"},
		{false, "server/state", `{"metadata":{"timestamp":1,"title":null}}`, "metadata.title"},
		{false, "server/state", `{"metadata":{"timestamp":1,"progress":{"track_progress":1,"track_duration":2}}}`, "metadata.progress.playback_speed"},
		{false, "server/state", `{"color":{"timestamp":1,"primary":[1,2]}}`, "color.primary"},
		{false, "server/state", `{"color":{"timestamp":1,"primary":[1,2,256]}}`, "color.primary"},
		{false, "server/state", `{"color":{"timestamp":1,"primary":[1,2,3,4]}}`, "color.primary"},
		{false, "server/state", `{"controller":{"supported_commands":["seek"],"volume":1,"muted":false,"repeat":"off","shuffle":false}}`, "controller.seek_max_ms"},
		{false, "server/state", `{"controller":{"supported_commands":[],"volume":1,"muted":false,"repeat":"never","shuffle":false}}`, "controller.repeat"},
		{false, "stream/start", `{"player":{"codec":"pcm","channels":1,"sample_rate":1,"bit_depth":16}}`, "server_transmitted"},
		{false, "stream/start", `{"server_transmitted":1,"player":{"codec":"flac","channels":1,"sample_rate":1,"bit_depth":16}}`, "player.codec_header"},
		{false, "stream/start", `{"server_transmitted":1,"player":{"codec":"flac","channels":1,"sample_rate":1,"bit_depth":16,"codec_header":"ZkxhQw"}}`, "player.codec_header"},
		{false, "stream/start", `{"server_transmitted":1,"player":{"codec":"aac","channels":1,"sample_rate":1,"bit_depth":16}}`, "player.codec"},
		{false, "stream/start", `{"server_transmitted":1,"visualizer":{"types":["beat"],"rate_max":1}}`, "visualizer.tracks_downbeats"},
		{false, "stream/clear", `{"server_transmitted":1,"roles":[]}`, "roles"},
		{false, "stream/end", `{"roles":"player"}`, "roles"},
		{false, "group/update", `{"playback_state":"paused","group_id":"g","group_name":"n"}`, "playback_state"},
		{false, "group/update", `{"playback_state":"playing","group_id":"g"}`, "group_name"},
		{true, "client/goodbye", `{}`, "reason"},
		{true, "client-stream/start", `{}`, "source"},
		{true, "client-stream/start", `{"source":{"codec":"mp3","channels":1,"sample_rate":1,"bit_depth":1}}`, "source.codec"},
		{true, "client/pair-init", `{"pairing_index":-1}`, "pairing_index"},
		{true, "client/pair-init", `{"pairing_index":4294967296}`, "pairing_index"},
		{true, "client/pair-init", `{"pairing_index":1,"commit_B":"` + b32 + `A"}`, "commit_B"},
		{true, "client/pair-init", `{"pairing_index":1,"commit_B":"` + strings.Repeat("=", 43) + `"}`, "commit_B"},
		{true, "client/pair-auth", `{"pake_msg_2":"AQ"}`, "pake_msg_2"},
		{true, "client/pair-finalize", `{}`, "long_term_psk"},
		{true, "client/pair-finalize", `{"long_term_psk":"` + b32 + `","wrapped_psk":"` + b48 + `"}`, "long_term_psk"},
		{false, "server/pair-confirm", `{"server_kc":"` + b32 + `"}`, "server_kc"},
		{false, "server/init", `{"server_id":"short","version":1}`, "server_id"},
		{false, "server/init", `{"server_id":"` + idA + `","version":2}`, "version"},
		{false, "noise/handshake", `{"data":"a b"}`, "data"},
		{false, "noise/handshake", `{"data":"AAAA\nAAAA"}`, "data"},
	} {
		if field, problem := fault(t, c.client, c.typ, c.payload); field != c.field {
			t.Errorf("%s %s: field %q (%s), want %q", c.typ, c.payload, field, problem, c.field)
		}
	}
}

func TestListsOfTheHelloAreBounded(t *testing.T) {
	list := func(item string, n int) string { return strings.TrimSuffix(strings.Repeat(item+",", n), ",") }
	for _, n := range []int{maxListed, maxListed + 1} {
		roles := `{"name":"x","supported_roles":[` + list(`"_a@v1"`, n) + `],` + hello + `}`
		formats := `{"name":"x","supported_roles":["player@v1"],"player@v1_support":{"buffer_capacity":1,"supported_formats":[` + list(`{"codec":"x"}`, n) + `]},` + hello + `}`
		for payload, want := range map[string]string{roles: "supported_roles", formats: "player@v1_support.supported_formats"} {
			if n <= maxListed {
				want = ""
			}
			if field, problem := fault(t, true, "client/hello", payload); field != want {
				t.Errorf("%d entries: fault in %q (%s), want %q", n, field, problem, want)
			}
		}
	}
}

func TestEnvelopeErrors(t *testing.T) {
	for in, field := range map[string]string{
		``: "", `[]`: "", `"client/time"`: "", `{"type":"client/time","payload":{}} x`: "", "{\"type\":\"\xff\",\"payload\":{}}": "",
		`{}`: "type", `{"type":1,"payload":{}}`: "type", `{"type":null,"payload":{}}`: "type", `{"type":"x"}`: "payload",
		`{"type":"x","payload":[]}`: "payload", `{"type":"x","payload":null}`: "payload", `{"Type":"x","payload":{}}`: "type",
	} {
		_, err := Current().DecodeFromClient([]byte(in))
		var fe *FieldError
		if !errors.As(err, &fe) || fe.Field != field || fe.Message != "" {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestDecodingIsLenient(t *testing.T) {
	for _, c := range []struct {
		client bool
		in     string
		want   Message
	}{
		{true, " \t\r\n{\n \"payload\" : { \"x\" : [ {} , 1.5e3 ] , \"client_transmitted\" : 1 , \"y\":null } ,\"type\":\"client\\/time\", \"z\":1 } \n", &ClientTime{1}},
		{true, `{"type":"client/time","payload":{"client_transmitted":1,"client_transmitted":2}}`, &ClientTime{2}},
		{true, `{"type":"client/time","type":"client/leave","payload":{}}`, &ClientLeave{}},
		{true, `{"type":"client/leave","payload":{"why":"not"}}`, &ClientLeave{}},
		{true, `{"type":"client/future","payload":{"a":1}}`, &Unknown{Name: "client/future"}},
		{true, `{"type":"","payload":{}}`, &Unknown{}},
		{true, `{"type":"client/goodbye","payload":{"reason":"bored"}}`, &ClientGoodbye{"bored"}},
		{true, `{"type":"pair/abort","payload":{"reason":"eclipse"}}`, &PairAbort{"eclipse"}},
		{true, `{"type":"client/command","payload":{"controller":{"command":"dance","volume":"loud"}}}`, &ClientCommand{Controller: &ControllerCommand{Command: "dance"}}},
		{true, `{"type":"client/command","payload":{"controller":{"command":"play","volume":"loud"}}}`, &ClientCommand{Controller: &ControllerCommand{Command: "play"}}},
		{true, `{"type":"client/command","payload":{"controller":{"command":"seek","position_ms":-5}}}`, &ClientCommand{Controller: &ControllerCommand{Command: "seek", PositionMS: ptr(int64(-5))}}},
		{false, `{"type":"server/command","payload":{"player":{"command":"explode"}}}`, &ServerCommand{Player: &PlayerCommand{Command: "explode"}}},
		{false, `{"type":"server/activate","payload":{"activities":["playback","dreaming"],"active_roles":["player@v1","x"],"pairing":"none of it"}}`,
			&ServerActivate{Activities: []string{"playback", "dreaming"}, ActiveRoles: []string{"player@v1", "x"}}},
		{false, `{"type":"server/activate","payload":{"activities":["pairing"],"pairing":{"method":"telepathy","format":7}}}`,
			&ServerActivate{Activities: []string{"pairing"}, Pairing: &ActivatePairing{Method: "telepathy"}}},
		{true, `{"type":"client/state","payload":{"available":true,"player":{"output_delay_ms":9999,"required_lead_time_ms":0,"min_buffer_ms":0,"supported_commands":["volume","fly","volume"],"volume":3},"_app":{"x":1},"_no":5}}`,
			&ClientState{Available: true, Player: &PlayerState{OutputDelayMS: 5000, SupportedCommands: []string{"volume"}, Volume: ptr(3)},
				App: AppObjects{"_app": []byte(`{"x":1}`)}, Ignored: []string{"player.supported_commands: fly"}}},
		{true, `{"type":"client/state","payload":{"available":true,"player":{"output_delay_ms":-9,"required_lead_time_ms":0,"min_buffer_ms":0,"supported_commands":[]}}}`,
			&ClientState{Available: true, Player: &PlayerState{SupportedCommands: []string{}}}},
		{true, `{"type":"client/hello","payload":{"name":"x","supported_roles":["player@v9","player@v1","visualizer@v1","_a@v1"],"player@v1_support":{"supported_formats":[{"codec":"atrac","channels":"?"},{"codec":"opus","channels":2,"sample_rate":48000}],"buffer_capacity":0},` +
			`"source@v1_support":"not listed, so not read","_a@v1_support":{},"_b@v1_support":{},"supported_pair_methods":{"pairing_psk":{"locations":["moon","device"]},"retina":7,"dynamic_pairing_code":{"out_channels":["smell"],"formats":["digits","morse"]}},"unpaired_access":{"enabled":true,"x":1}}}`,
			&ClientHello{Name: "x", SupportedRoles: []string{"player@v9", "player@v1", "visualizer@v1", "_a@v1"},
				Player: &PlayerSupport{Formats: []AudioFormat{{Codec: "opus", Channels: 2, SampleRate: 48000}}}, App: AppObjects{"_a@v1_support": []byte(`{}`)},
				PairMethods: PairMethods{PSK: &SecretMethod{Locations: []string{"device"}}}, UnpairedAccess: UnpairedAccess{true},
				Ignored: []string{"player@v1_support.supported_formats.codec: atrac", "supported_pair_methods.pairing_psk.locations: moon",
					"supported_pair_methods.dynamic_pairing_code.out_channels: smell", "supported_pair_methods.dynamic_pairing_code.formats: morse",
					"supported_pair_methods: dynamic_pairing_code", "supported_pair_methods: retina"}}},
		{true, `{"type":"client/pair-pending","payload":{"pairing_index":1,"message":"` + strings.Repeat("é", 201) + `"}}`, &ClientPairPending{1, strings.Repeat("é", 200)}},
		{true, `{"type":"client/state","payload":{"available":true,"artwork":{"channels":[]},"visualizer":{"types":["aura"],"rate_max":5}}}`,
			&ClientState{Available: true, Artwork: &ArtworkState{}, Visualizer: &VisualizerState{Types: []string{}, RateMax: 5}, Ignored: []string{"visualizer.types: aura"}}},
	} {
		got, err := decodeFrom(c.client, []byte(c.in))
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", c.in, got, c.want)
		}
	}
}

func TestIgnoredListIsBounded(t *testing.T) {
	many := `"` + strings.Repeat("é", 100) + `"` + strings.Repeat(`,"x"`, 100)
	m, err := Current().DecodeFromClient([]byte(`{"type":"client/state","payload":{"available":true,"visualizer":{"types":[` + many + `],"rate_max":1}}}`))
	if err != nil {
		t.Fatal(err)
	}
	got := m.(*ClientState).Ignored
	if len(got) != maxIgnored || len(got[0]) > len("visualizer.types: ")+maxIgnoredLen+3 {
		t.Errorf("%d notes, the first of %d bytes", len(got), len(got[0]))
	}
}

func TestFaultsInRoleObjects(t *testing.T) {
	in := `{"type":"client/state","payload":{"available":true,"player":{"volume":900},"source":{"signal":"present"},"visualizer":{}}}`
	m, err := Current().DecodeFromClient([]byte(in))
	var roles RoleErrors
	if !errors.As(err, &roles) || len(roles) != 2 || roles[0].Role != "player" || roles[1].Role != "visualizer" {
		t.Fatalf("error %v", err)
	}
	want := &ClientState{Available: true, Source: &SourceState{Signal: "present"}}
	if !reflect.DeepEqual(m, want) {
		t.Errorf("message %+v, want %+v", m, want)
	}
	for _, c := range []struct{ active, field string }{{"", ""}, {"source", ""}, {"player", "player.volume"}, {"visualizer", "visualizer.types"}} {
		err := ActiveFault(err, func(family string) bool { return family == c.active })
		var fe *FieldError
		if errors.As(err, &fe) != (c.field != "") || fe != nil && fe.Field != c.field {
			t.Errorf("with %q active: %v, want a fault in %q", c.active, err, c.field)
		}
	}
	if err := ActiveFault(nil, nil); err != nil {
		t.Error(err)
	}
	// A fault outside of role objects is never excused.
	m, err = Current().DecodeFromClient([]byte(`{"type":"client/state","payload":{"player":{}}}`))
	if m != nil || ActiveFault(err, func(string) bool { return false }) == nil {
		t.Errorf("got %+v, %v", m, err)
	}
}

func TestErrorsDoNotRepeatStrings(t *testing.T) {
	_, err := Current().DecodeFromClient([]byte(`{"type":"client/pair-finalize","payload":{"long_term_psk":"hunter2"}}`))
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
	got := (&ClientPairFinalize{LongTermPSK: []byte("hunter2")}).String()
	if strings.Contains(got, "hunter2") {
		t.Error(got)
	}
}

func TestParseClientInit(t *testing.T) {
	good := `{"type":"client/init","payload":{"client_id":"` + idA + `","version":1,"suite":"25519_ChaChaPoly_SHA256"}}`
	odd := " { \"payload\":{\"suite\" : \"25519_ChaChaPoly_SHA256\", \"extra\":{\"version\":9},\"version\"\t:1,\"client_id\":\"" + idA + "\"},\r\n\"type\":\"client/init\",\"also\":1}\n"
	for _, in := range []string{good, odd} {
		m, err := ParseClientInit([]byte(in))
		if err != nil || *m != (ClientInit{idA, 1, SuiteChaChaPoly}) {
			t.Errorf("%s: %+v, %v", in, m, err)
		}
	}
	wrap := func(payload string) string { return `{"type":"client/init","payload":` + payload + `}` }
	const rest = `,"client_id":"` + idA + `","suite":"25519_AESGCM_SHA256"`
	for _, c := range []struct{ name, in, reason string }{
		{"nothing", ``, ErrorMalformed},
		{"no JSON", `hello`, ErrorMalformed},
		{"not UTF-8", "{\"type\":\"client/init\",\"payload\":{\"version\":2,\"x\":\"\xff\"}}", ErrorMalformed},
		{"two values", good + good, ErrorMalformed},
		{"a list", `[` + good + `]`, ErrorMalformed},
		{"no payload", `{"type":"client/init","version":2}`, ErrorMalformed},
		{"payload is a list", wrap(`[]`), ErrorMalformed},
		{"another type", `{"type":"client/hello","payload":{"version":2}}`, ErrorMalformed},
		{"no type", `{"payload":{"version":2}}`, ErrorMalformed},
		{"version 2, nothing else", wrap(`{"version":2}`), ErrorUnsupportedVersion},
		{"version 0 and nonsense", wrap(`{"version":0,"suite":5,"client_id":[]}`), ErrorUnsupportedVersion},
		{"version -1", wrap(`{"version":-1}`), ErrorUnsupportedVersion},
		{"a huge version", wrap(`{"version":123456789012345678901234567890}`), ErrorUnsupportedVersion},
		{"the last version counts", wrap(`{"version":1,"version":2` + rest + `}`), ErrorUnsupportedVersion},
		{"version missing", wrap(`{"suite":"rot13"}`), ErrorMalformed},
		{"version a string", wrap(`{"version":"2","suite":"rot13"}`), ErrorMalformed},
		{"version null", wrap(`{"version":null` + rest + `}`), ErrorMalformed},
		{"version a fraction", wrap(`{"version":1.5` + rest + `}`), ErrorMalformed},
		{"version 1.0", wrap(`{"version":1.0` + rest + `}`), ErrorMalformed},
		{"version 2e0", wrap(`{"version":2e0` + rest + `}`), ErrorMalformed},
		{"unknown suite, bad id", wrap(`{"version":1,"suite":"rot13","client_id":5}`), ErrorUnsupportedSuite},
		{"empty suite", wrap(`{"version":1,"suite":""}`), ErrorUnsupportedSuite},
		{"suite missing", wrap(`{"version":1,"client_id":"` + idA + `"}`), ErrorMalformed},
		{"suite a number", wrap(`{"version":1,"suite":1,"client_id":"` + idA + `"}`), ErrorMalformed},
		{"id missing", wrap(`{"version":1,"suite":"25519_AESGCM_SHA256"}`), ErrorMalformed},
		{"id too short", wrap(`{"version":1,"suite":"25519_AESGCM_SHA256","client_id":"` + idA[1:] + `"}`), ErrorMalformed},
		{"id with padding", wrap(`{"version":1,"suite":"25519_AESGCM_SHA256","client_id":"` + idA + `="}`), ErrorMalformed},
		{"id of the other alphabet", wrap(`{"version":1,"suite":"25519_AESGCM_SHA256","client_id":"+` + idA[1:] + `"}`), ErrorMalformed},
		{"id with bits beyond 32 bytes", wrap(`{"version":1,"suite":"25519_AESGCM_SHA256","client_id":"` + idA[:42] + `9"}`), ErrorMalformed},
	} {
		_, err := ParseClientInit([]byte(c.in))
		var ie *InitError
		if !errors.As(err, &ie) || ie.Reason != c.reason || ie.Unwrap() == nil {
			t.Errorf("%s: %v, want %s", c.name, err, c.reason)
		}
	}
}
