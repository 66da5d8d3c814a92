package wire

import (
	"bytes"
	"reflect"
	"testing"
)

func ptr[T any](v T) *T { return &v }

func bytesOf(n int, b byte) []byte { return bytes.Repeat([]byte{b}, n) }

const (
	idA   = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
	b32   = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"                                            // 32 bytes of 1
	b48   = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"                       // 48 bytes of 1
	b64   = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ" // 64 bytes of 1
	hello = `"supported_pair_methods":{"pairing_psk":{}},"unpaired_access":{"enabled":false}`
)

type golden struct {
	name   string
	client bool // sent by the client; a message of both directions is tested in both
	msg    Message
	json   string
}

// goldens holds every message of the specification, most with all their fields and
// again with the fewest.
func goldens() []golden {
	g := []golden{
		{"client/init", true, &ClientInit{ClientID: idA, Version: 1, Suite: SuiteAESGCM},
			`{"type":"client/init","payload":{"client_id":"` + idA + `","version":1,"suite":"25519_AESGCM_SHA256"}}`},
		{"server/init", false, &ServerInit{ServerID: idA, Version: 1},
			`{"type":"server/init","payload":{"server_id":"` + idA + `","version":1}}`},
		{"noise/handshake", true, &NoiseHandshake{Data: []byte{0xfb, 0xff, 0}},
			`{"type":"noise/handshake","payload":{"data":"-_8A"}}`},
		{"noise/handshake", false, &NoiseHandshake{Data: []byte{1}}, `{"type":"noise/handshake","payload":{"data":"AQ"}}`},
		{"server/error", false, &ServerError{Reason: ErrorUnsupportedSuite}, `{"type":"server/error","payload":{"reason":"unsupported_suite"}}`},
		{"server/hello full", false, &ServerHello{Name: "Tutti \"1\"\n\u00e9", Languages: []string{"ca", "en"}, Source: &ServerSourceSupport{Codecs: []string{"flac", "pcm"}},
			App: AppObjects{"_acme_lamp@v1_support": []byte(`{"x":[1,2]}`)}},
			`{"type":"server/hello","payload":{"name":"Tutti \"1\"\u000aé","languages":["ca","en"],"source@v1_support":{"supported_codecs":["flac","pcm"]},"_acme_lamp@v1_support":{"x":[1,2]}}}`},
		{"server/hello", false, &ServerHello{Name: ""}, `{"type":"server/hello","payload":{"name":""}}`},
		{"client/hello full", true, &ClientHello{
			Name:           "Kitchen",
			DeviceInfo:     &DeviceInfo{ProductName: "P", Manufacturer: "M", SoftwareVersion: "1.0", MACAddress: "aa:bb:cc:dd:ee:ff"},
			SupportedRoles: []string{RolePlayerV1, RoleSourceV1, RoleVisualizerV1, RoleMetadataV1, "_acme_lamp@v1"},
			Player:         &PlayerSupport{Formats: []AudioFormat{{CodecFLAC, 2, 48000, 24}, {CodecPCM, 1, 44100, 16}}, BufferCapacity: 200000},
			Source:         &SourceSupport{LineSense: ptr(true)},
			Visualizer:     &VisualizerSupport{BufferCapacity: 4096},
			App:            AppObjects{"_acme_lamp@v1_support": []byte(`{"n":1}`)},
			PairMethods:    PairMethods{PSK: &SecretMethod{Locations: []string{"device", "leaflet"}}, DynamicCode: &DynamicMethod{OutChannels: []string{"speaker"}, Formats: []string{"digits", "qr_code"}}},
			UnpairedAccess: UnpairedAccess{Enabled: true},
		}, `{"type":"client/hello","payload":{"name":"Kitchen","device_info":{"product_name":"P","manufacturer":"M","software_version":"1.0","mac_address":"aa:bb:cc:dd:ee:ff"},` +
			`"supported_roles":["player@v1","source@v1","visualizer@v1","metadata@v1","_acme_lamp@v1"],` +
			`"player@v1_support":{"supported_formats":[{"codec":"flac","channels":2,"sample_rate":48000,"bit_depth":24},{"codec":"pcm","channels":1,"sample_rate":44100,"bit_depth":16}],"buffer_capacity":200000},` +
			`"source@v1_support":{"features":{"line_sense":true}},"visualizer@v1_support":{"buffer_capacity":4096},"_acme_lamp@v1_support":{"n":1},` +
			`"supported_pair_methods":{"pairing_psk":{"locations":["device","leaflet"]},"dynamic_pairing_code":{"out_channels":["speaker"],"formats":["digits","qr_code"]}},` +
			`"unpaired_access":{"enabled":true}}}`},
		{"client/hello", true, &ClientHello{Name: "x", SupportedRoles: []string{}, PairMethods: PairMethods{PSK: &SecretMethod{}, StaticCode: &SecretMethod{Locations: []string{"operator"}}}},
			`{"type":"client/hello","payload":{"name":"x","supported_roles":[],"supported_pair_methods":{"pairing_psk":{},"static_pairing_code":{"locations":["operator"]}},"unpaired_access":{"enabled":false}}}`},
		{"server/activate roles", false, &ServerActivate{Activities: []string{"playback"}, ActiveRoles: []string{RolePlayerV1}},
			`{"type":"server/activate","payload":{"activities":["playback"],"active_roles":["player@v1"]}}`},
		{"server/activate unchanged roles", false, &ServerActivate{Activities: []string{}}, `{"type":"server/activate","payload":{"activities":[]}}`},
		{"server/activate no roles", false, &ServerActivate{Activities: []string{}, ActiveRoles: []string{}}, `{"type":"server/activate","payload":{"activities":[],"active_roles":[]}}`},
		{"server/activate pairing", false, &ServerActivate{Activities: []string{"playback", "pairing"}, Pairing: &ActivatePairing{Method: MethodDynamicCode, Format: FormatDigits}},
			`{"type":"server/activate","payload":{"activities":["playback","pairing"],"pairing":{"method":"dynamic_pairing_code","format":"digits"}}}`},
		{"client/time", true, &ClientTime{ClientTransmitted: 9223372036854775807}, `{"type":"client/time","payload":{"client_transmitted":9223372036854775807}}`},
		{"server/time", false, &ServerTime{1, -2, 3}, `{"type":"server/time","payload":{"client_transmitted":1,"server_received":-2,"server_transmitted":3}}`},
		{"client/state full", true, &ClientState{Available: true,
			Player: &PlayerState{Volume: ptr(0), Muted: ptr(false), OutputDelayMS: 20, RequiredLeadMS: 300, MinBufferMS: 0,
				SupportedCommands: []string{"volume", "mute", "set_output_delay"}, Format: &AudioFormat{CodecOpus, 2, 48000, 16}},
			Source:     &SourceState{Signal: SignalAbsent},
			Artwork:    &ArtworkState{Channels: []ArtworkChannel{{Source: "none"}, {"album", "jpeg", 800, 480}}},
			Visualizer: &VisualizerState{Types: []string{"beat", "spectrum"}, RateMax: 30, Spectrum: &Spectrum{16, "mel", 20, 20000}},
			App:        AppObjects{"_a": []byte(`{}`), "_b": []byte(`{"c":null}`)}},
			`{"type":"client/state","payload":{"available":true,"player":{"volume":0,"muted":false,"output_delay_ms":20,"required_lead_time_ms":300,"min_buffer_ms":0,"supported_commands":["volume","mute","set_output_delay"],` +
				`"format":{"codec":"opus","channels":2,"sample_rate":48000,"bit_depth":16}},"source":{"signal":"absent"},"artwork":{"channels":[{"source":"none"},{"source":"album","format":"jpeg","width":800,"height":480}]},` +
				`"visualizer":{"types":["beat","spectrum"],"rate_max":30,"spectrum":{"n_disp_bins":16,"scale":"mel","f_min":20,"f_max":20000}},"_a":{},"_b":{"c":null}}}`},
		{"client/state", true, &ClientState{Available: false, Player: &PlayerState{SupportedCommands: []string{}}, Source: &SourceState{}},
			`{"type":"client/state","payload":{"available":false,"player":{"output_delay_ms":0,"required_lead_time_ms":0,"min_buffer_ms":0,"supported_commands":[]},"source":{}}}`},
		{"client/leave", true, &ClientLeave{}, `{"type":"client/leave","payload":{}}`},
		{"server/state full", false, &ServerState{
			Metadata: &Metadata{Timestamp: -5, Title: "T", Artist: "A", AlbumArtist: "AA", Album: "Al", ArtworkURL: "http://h/a?b=1&c=<2>", Year: ptr(1999), Track: ptr(1),
				Progress: &Progress{PositionMS: 1000, DurationMS: 0, Speed: 1000}},
			Controller: &ControllerState{SupportedCommands: []string{"play", "seek"}, Volume: 100, Muted: true, Repeat: "one", Shuffle: true, SeekMaxMS: ptr(int64(0))},
			Color:      &Color{Timestamp: 7, BackgroundDark: &RGB{0, 9, 10}, OnLight: &RGB{99, 100, 255}}},
			`{"type":"server/state","payload":{"metadata":{"timestamp":-5,"title":"T","artist":"A","album_artist":"AA","album":"Al","artwork_url":"http://h/a?b=1&c=<2>","year":1999,"track":1,` +
				`"progress":{"track_progress":1000,"track_duration":0,"playback_speed":1000}},"controller":{"supported_commands":["play","seek"],"volume":100,"muted":true,"repeat":"one","shuffle":true,"seek_max_ms":0},` +
				`"color":{"timestamp":7,"background_dark":[0,9,10],"on_light":[99,100,255]}}}`},
		{"server/state", false, &ServerState{Metadata: &Metadata{Timestamp: 1}}, `{"type":"server/state","payload":{"metadata":{"timestamp":1}}}`},
		{"server/state color", false, &ServerState{Color: &Color{Timestamp: 7, BackgroundLight: &RGB{1, 2, 3}, Primary: &RGB{4, 5, 6}, Accent: &RGB{7, 8, 9}, OnDark: &RGB{}}},
			`{"type":"server/state","payload":{"color":{"timestamp":7,"background_light":[1,2,3],"primary":[4,5,6],"accent":[7,8,9],"on_dark":[0,0,0]}}}`},
		{"stream/start full", false, &StreamStart{ServerTransmitted: 12,
			Player:     &PlayerStream{Format: AudioFormat{CodecFLAC, 2, 44100, 16}, CodecHeader: []byte("fLaC\x00")},
			Artwork:    &ArtworkStream{Channels: []ArtworkChannel{{"artist", "png", 1, 2}}},
			Visualizer: &VisualizerStream{Types: []string{"beat", "spectrum"}, RateMax: 10, TracksDownbeats: ptr(false), Spectrum: &Spectrum{4, "log", 0, 0}},
			App:        AppObjects{"_x": []byte(`{"y":1}`)}},
			`{"type":"stream/start","payload":{"server_transmitted":12,"player":{"codec":"flac","sample_rate":44100,"channels":2,"bit_depth":16,"codec_header":"ZkxhQwA="},` +
				`"artwork":{"channels":[{"source":"artist","format":"png","width":1,"height":2}]},"visualizer":{"types":["beat","spectrum"],"rate_max":10,"tracks_downbeats":false,` +
				`"spectrum":{"n_disp_bins":4,"scale":"log","f_min":0,"f_max":0}},"_x":{"y":1}}}`},
		{"stream/start", false, &StreamStart{ServerTransmitted: 12, Player: &PlayerStream{Format: AudioFormat{CodecPCM, 2, 48000, 24}}, Visualizer: &VisualizerStream{Types: []string{}, RateMax: 1}},
			`{"type":"stream/start","payload":{"server_transmitted":12,"player":{"codec":"pcm","sample_rate":48000,"channels":2,"bit_depth":24},"visualizer":{"types":[],"rate_max":1}}}`},
		{"stream/clear", false, &StreamClear{ServerTransmitted: 1}, `{"type":"stream/clear","payload":{"server_transmitted":1}}`},
		{"stream/clear roles", false, &StreamClear{ServerTransmitted: 1, Roles: []string{"player", "visualizer", "_x"}},
			`{"type":"stream/clear","payload":{"server_transmitted":1,"roles":["player","visualizer","_x"]}}`},
		{"stream/end", false, &StreamEnd{}, `{"type":"stream/end","payload":{}}`},
		{"stream/end roles", false, &StreamEnd{Roles: []string{"artwork"}}, `{"type":"stream/end","payload":{"roles":["artwork"]}}`},
		{"group/update", false, &GroupUpdate{PlaybackPlaying, "g1", "Living room"},
			`{"type":"group/update","payload":{"playback_state":"playing","group_id":"g1","group_name":"Living room"}}`},
		{"server/unpair", false, &ServerUnpair{}, `{"type":"server/unpair","payload":{}}`},
		{"client-stream/start", true, &ClientStreamStart{Source: InputStream{Format: AudioFormat{CodecFLAC, 2, 44100, 16}, CodecHeader: []byte("fLaC")}},
			`{"type":"client-stream/start","payload":{"source":{"codec":"flac","channels":2,"sample_rate":44100,"bit_depth":16,"codec_header":"ZkxhQw=="}}}`},
		{"client-stream/end", true, &ClientStreamEnd{}, `{"type":"client-stream/end","payload":{}}`},
	}
	for _, reason := range []string{GoodbyeAnotherServer, GoodbyeShutdown, GoodbyeRestart, GoodbyeUserRequest, GoodbyeUnauthorized, GoodbyePairingRequired, GoodbyeConcurrentAttempt, GoodbyeUnpaired} {
		g = append(g, golden{"client/goodbye " + reason, true, &ClientGoodbye{reason}, `{"type":"client/goodbye","payload":{"reason":"` + reason + `"}}`})
	}
	g = append(g, commandGoldens()...)
	return append(g, pairingGoldens()...)
}

func commandGoldens() []golden {
	return []golden{
		{"server/command volume", false, &ServerCommand{Player: &PlayerCommand{Command: PlayerVolume, Volume: ptr(0)}}, `{"type":"server/command","payload":{"player":{"command":"volume","volume":0}}}`},
		{"server/command mute", false, &ServerCommand{Player: &PlayerCommand{Command: PlayerMute, Mute: ptr(false)}}, `{"type":"server/command","payload":{"player":{"command":"mute","mute":false}}}`},
		{"server/command delay", false, &ServerCommand{Player: &PlayerCommand{Command: PlayerSetOutputDelay, OutputDelayMS: ptr(5000)}},
			`{"type":"server/command","payload":{"player":{"command":"set_output_delay","output_delay_ms":5000}}}`},
		{"server/command source", false, &ServerCommand{Source: &SourceCommand{SourceStart}, App: AppObjects{"_z": []byte(`{}`)}}, `{"type":"server/command","payload":{"source":{"command":"start"},"_z":{}}}`},
		{"client/command play", true, &ClientCommand{Controller: &ControllerCommand{Command: ControlPlay}}, `{"type":"client/command","payload":{"controller":{"command":"play"}}}`},
		{"client/command volume", true, &ClientCommand{Controller: &ControllerCommand{Command: ControlVolume, Volume: ptr(33)}}, `{"type":"client/command","payload":{"controller":{"command":"volume","volume":33}}}`},
		{"client/command mute", true, &ClientCommand{Controller: &ControllerCommand{Command: ControlMute, Mute: ptr(true)}}, `{"type":"client/command","payload":{"controller":{"command":"mute","mute":true}}}`},
		{"client/command seek", true, &ClientCommand{Controller: &ControllerCommand{Command: ControlSeek, PositionMS: ptr(int64(0))}}, `{"type":"client/command","payload":{"controller":{"command":"seek","position_ms":0}}}`},
		{"client/command seek_relative", true, &ClientCommand{Controller: &ControllerCommand{Command: ControlSeekRelative, OffsetMS: ptr(int64(-9))}},
			`{"type":"client/command","payload":{"controller":{"command":"seek_relative","offset_ms":-9}}}`},
		{"client/command application", true, &ClientCommand{App: AppObjects{"_z": []byte(`{}`)}}, `{"type":"client/command","payload":{"_z":{}}}`},
	}
}

func pairingGoldens() []golden {
	return []golden{
		{"client/pair-pending", true, &ClientPairPending{1, "Press the button"}, `{"type":"client/pair-pending","payload":{"pairing_index":1,"message":"Press the button"}}`},
		{"client/pair-pending bare", true, &ClientPairPending{PairingIndex: 4294967295}, `{"type":"client/pair-pending","payload":{"pairing_index":4294967295}}`},
		{"client/pair-init", true, &ClientPairInit{2, bytesOf(32, 1)}, `{"type":"client/pair-init","payload":{"pairing_index":2,"commit_B":"` + b32 + `"}}`},
		{"client/pair-init bare", true, &ClientPairInit{PairingIndex: 2}, `{"type":"client/pair-init","payload":{"pairing_index":2}}`},
		{"server/pair-init", false, &ServerPairInit{bytesOf(32, 1)}, `{"type":"server/pair-init","payload":{"nonce_A":"` + b32 + `"}}`},
		{"server/pair-init later round", false, &ServerPairInit{}, `{"type":"server/pair-init","payload":{}}`},
		{"server/pair-auth", false, &ServerPairAuth{bytesOf(32, 1)}, `{"type":"server/pair-auth","payload":{"pake_msg_1":"` + b32 + `"}}`},
		{"client/pair-auth", true, &ClientPairAuth{bytesOf(32, 1)}, `{"type":"client/pair-auth","payload":{"pake_msg_2":"` + b32 + `"}}`},
		{"server/pair-confirm", false, &ServerPairConfirm{bytesOf(64, 1)}, `{"type":"server/pair-confirm","payload":{"server_kc":"` + b64 + `"}}`},
		{"client/pair-retry", true, &ClientPairRetry{}, `{"type":"client/pair-retry","payload":{}}`},
		{"client/pair-confirm", true, &ClientPairConfirm{bytesOf(64, 1), bytesOf(48, 1)}, `{"type":"client/pair-confirm","payload":{"client_kc":"` + b64 + `","wrapped_nonce_B":"` + b48 + `"}}`},
		{"client/pair-confirm static", true, &ClientPairConfirm{ClientKC: bytesOf(64, 1)}, `{"type":"client/pair-confirm","payload":{"client_kc":"` + b64 + `"}}`},
		{"client/pair-finalize", true, &ClientPairFinalize{LongTermPSK: bytesOf(32, 1)}, `{"type":"client/pair-finalize","payload":{"long_term_psk":"` + b32 + `"}}`},
		{"client/pair-finalize wrapped", true, &ClientPairFinalize{WrappedPSK: bytesOf(48, 1)}, `{"type":"client/pair-finalize","payload":{"wrapped_psk":"` + b48 + `"}}`},
		{"server/pair-finalize", false, &ServerPairFinalize{}, `{"type":"server/pair-finalize","payload":{}}`},
		{"pair/abort client", true, &PairAbort{AbortMethodNotSupported}, `{"type":"pair/abort","payload":{"reason":"method_not_supported"}}`},
		{"pair/abort server", false, &PairAbort{AbortUserCancelled}, `{"type":"pair/abort","payload":{"reason":"user_cancelled"}}`},
	}
}

func decodeFrom(client bool, b []byte) (Message, error) {
	if client {
		return Current().DecodeFromClient(b)
	}
	return Current().DecodeFromServer(b)
}

func TestGoldenEncoding(t *testing.T) {
	for _, g := range goldens() {
		got, err := Current().Encode(g.msg)
		if err != nil {
			t.Errorf("%s: %v", g.name, err)
			continue
		}
		if string(got) != g.json {
			t.Errorf("%s:\n got %s\nwant %s", g.name, got, g.json)
		}
	}
}

func TestGoldenDecoding(t *testing.T) {
	for _, g := range goldens() {
		got, err := decodeFrom(g.client, []byte(g.json))
		if err != nil {
			t.Errorf("%s: %v", g.name, err)
			continue
		}
		if !reflect.DeepEqual(got, g.msg) {
			t.Errorf("%s:\n got %+v\nwant %+v", g.name, got, g.msg)
		}
	}
}

// TestEveryTypeHasAGolden fails when a message is added without one.
func TestEveryTypeHasAGolden(t *testing.T) {
	seen := map[string]bool{}
	for _, g := range goldens() {
		seen[g.msg.Type()] = true
	}
	for _, typ := range allTypes() {
		if !seen[typ] {
			t.Errorf("no golden for %s", typ)
		}
	}
	if len(seen) != 33 {
		t.Errorf("%d message types, the specification has 33", len(seen))
	}
}

func allTypes() []string {
	return []string{TypeClientInit, TypeServerInit, TypeNoiseHandshake, TypeServerError, TypeServerHello, TypeClientHello,
		TypeServerActivate, TypeClientTime, TypeServerTime, TypeClientState, TypeClientCommand, TypeClientLeave, TypeServerState,
		TypeServerCommand, TypeStreamStart, TypeStreamClear, TypeStreamEnd, TypeGroupUpdate, TypeServerUnpair, TypeClientGoodbye,
		TypeClientStreamStart, TypeClientStreamEnd, TypeClientPairPending, TypeClientPairInit, TypeServerPairInit, TypeServerPairAuth,
		TypeClientPairAuth, TypeServerPairConfirm, TypeClientPairRetry, TypeClientPairConfirm, TypeClientPairFinalize,
		TypeServerPairFinalize, TypePairAbort}
}

func TestDirections(t *testing.T) {
	for _, g := range goldens() {
		if g.msg.Type() == TypeNoiseHandshake || g.msg.Type() == TypePairAbort {
			continue
		}
		got, err := decodeFrom(!g.client, []byte(g.json))
		u, ok := got.(*Unknown)
		if err != nil || !ok || !u.WrongDirection || u.Type() != g.msg.Type() {
			t.Errorf("%s from the wrong side: %+v, %v", g.name, got, err)
		}
	}
}
