package wire

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

func TestEncodingRefuses(t *testing.T) {
	state := func(p PlayerState) *ClientState { return &ClientState{Player: &p} }
	psk := PairMethods{PSK: &SecretMethod{}}
	pcm := AudioFormat{CodecPCM, 2, 48000, 16}
	for field, m := range map[string]Message{
		"type":                                &Unknown{Name: "x"},
		"client_id":                           &ClientInit{ClientID: "x", Version: 1, Suite: SuiteAESGCM},
		"version":                             &ServerInit{ServerID: idA, Version: 2},
		"suite":                               &ClientInit{ClientID: idA, Version: 1, Suite: "rot13"},
		"data":                                &NoiseHandshake{},
		"activities":                          &ServerActivate{Activities: []string{"playback", "playback"}},
		"pairing":                             &ServerActivate{Activities: []string{"pairing"}},
		"pairing.format":                      &ServerActivate{Activities: []string{"pairing"}, Pairing: &ActivatePairing{Method: MethodPSK, Format: FormatDigits}},
		"player.volume":                       state(PlayerState{SupportedCommands: []string{"volume"}}),
		"player.muted":                        state(PlayerState{SupportedCommands: []string{"mute"}}),
		"player.output_delay_ms":              state(PlayerState{OutputDelayMS: 5001}),
		"player.min_buffer_ms":                state(PlayerState{MinBufferMS: -1}),
		"player.supported_commands":           state(PlayerState{SupportedCommands: []string{"fly"}}),
		"player.format.codec":                 state(PlayerState{Format: &AudioFormat{Codec: "mp3"}}),
		"x":                                   &ClientState{App: AppObjects{"x": []byte(`{}`)}},
		"_x":                                  &ClientState{App: AppObjects{"_x": []byte(`[]`)}},
		"_y":                                  &ClientState{App: AppObjects{"_y": []byte(`{`)}},
		"artwork.channels":                    &ClientState{Artwork: &ArtworkState{}},
		"visualizer.spectrum":                 &ClientState{Visualizer: &VisualizerState{Types: []string{"spectrum"}, RateMax: 1}},
		"player@v1_support":                   &ClientHello{SupportedRoles: []string{RolePlayerV1}, PairMethods: psk},
		"source@v1_support":                   &ClientHello{Source: &SourceSupport{}, PairMethods: psk},
		"supported_roles":                     &ClientHello{SupportedRoles: []string{"player"}, PairMethods: psk},
		"_a@v1_support":                       &ClientHello{App: AppObjects{"_a@v1_support": []byte(`{}`)}, PairMethods: psk},
		"player@v1_support.supported_formats": &ClientHello{SupportedRoles: []string{RolePlayerV1}, Player: &PlayerSupport{Formats: []AudioFormat{{CodecOpus, 2, 48000, 16}}}, PairMethods: psk},
		"supported_pair_methods.pairing_psk":  &ClientHello{},
		"supported_pair_methods.dynamic_pairing_code": &ClientHello{PairMethods: PairMethods{PSK: psk.PSK, StaticCode: psk.PSK, DynamicCode: &DynamicMethod{[]string{OutSpeaker}, []string{FormatDigits}}}},
		"player.command":                   &ServerCommand{Player: &PlayerCommand{Command: "fly"}},
		"player.mute":                      &ServerCommand{Player: &PlayerCommand{Command: PlayerVolume, Volume: ptr(1), Mute: ptr(true)}},
		"controller.volume":                &ClientCommand{Controller: &ControllerCommand{Command: ControlVolume}},
		"controller.seek_max_ms":           &ServerState{Controller: &ControllerState{SupportedCommands: []string{"seek"}, Repeat: "off"}},
		"controller.repeat":                &ServerState{Controller: &ControllerState{}},
		"metadata.progress.track_duration": &ServerState{Metadata: &Metadata{Progress: &Progress{DurationMS: -1}}},
		"player.codec_header":              &StreamStart{Player: &PlayerStream{Format: pcm, CodecHeader: []byte{1}}},
		"visualizer.tracks_downbeats":      &StreamStart{Visualizer: &VisualizerStream{Types: []string{"beat"}, RateMax: 1}},
		"roles":                            &StreamClear{Roles: []string{"artwork"}},
		"playback_state":                   &GroupUpdate{PlaybackState: "paused", GroupID: "g"},
		"group_id":                         &GroupUpdate{PlaybackState: "playing"},
		"reason":                           &ClientGoodbye{"bored"},
		"source.command":                   &ServerCommand{Source: &SourceCommand{}},
		"source.codec_header":              &ClientStreamStart{Source: InputStream{Format: AudioFormat{CodecFLAC, 2, 48000, 16}}},
		"message":                          &ClientPairPending{Message: strings.Repeat("x", 201)},
		"pake_msg_1":                       &ServerPairAuth{PAKEMsg1: []byte{1}},
		"long_term_psk":                    &ClientPairFinalize{},
		"commit_B":                         &ClientPairInit{Commit: []byte{1}},
	} {
		b, err := Current().Encode(m)
		var ee *EncodeError
		if !errors.As(err, &ee) || b != nil {
			t.Errorf("%T for %s: encoded %s, %v", m, field, b, err)
			continue
		}
		if ee.Field != field {
			t.Errorf("%T: the error names %q (%v), want %q", m, ee.Field, err, field)
		}
	}
}

func TestStringsSurvive(t *testing.T) {
	for _, s := range []string{"", `"\/` + "\b\f\n\r\t\x00\x1f\x7f", "é€𝄞\u2028", "<script>&"} {
		b, err := Current().Encode(&ServerHello{Name: s})
		if err != nil || !json.Valid(b) {
			t.Fatalf("%q: %s %v", s, b, err)
		}
		m, err := Current().DecodeFromServer(b)
		if err != nil || m.(*ServerHello).Name != s {
			t.Errorf("%q comes back as %+v, %v", s, m, err)
		}
	}
	b, err := Current().Encode(&ServerHello{Name: "a\xffb"})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := Current().DecodeFromServer(b); err != nil || m.(*ServerHello).Name != "a\ufffdb" {
		t.Errorf("invalid UTF-8: %+v, %v", m, err)
	}
}

// random fills messages with values that are valid; it covers the combinations that
// the goldens leave out.
type random struct{ *rand.Rand }

func (r random) chance() bool { return r.IntN(2) == 0 }

func (r random) text() string {
	runes := []rune("aé\"\\\n\u2028𝄞 {}[],:0")
	b := make([]rune, 1+r.IntN(8))
	for i := range b {
		b[i] = runes[r.IntN(len(runes))]
	}
	return string(b)
}

func (r random) some(list ...string) []string {
	out := []string{}
	for _, s := range list {
		if r.chance() {
			out = append(out, s)
		}
	}
	return out
}

func (r random) one(list ...string) string { return list[r.IntN(len(list))] }

func (r random) app() AppObjects {
	if r.chance() {
		return nil
	}
	return AppObjects{"_" + r.text(): []byte(`{"k":[1,"}",{"a":null}]}`)}
}

func (r random) format() AudioFormat {
	return AudioFormat{r.one(CodecPCM, CodecFLAC, CodecOpus), 1 + r.IntN(8), 1 + r.IntN(192000), 1 + r.IntN(32)}
}

func (r random) state() *ClientState {
	m := &ClientState{Available: r.chance(), App: r.app()}
	if r.chance() {
		p := &PlayerState{OutputDelayMS: r.IntN(5001), RequiredLeadMS: r.IntN(9000), MinBufferMS: r.IntN(9000),
			SupportedCommands: r.some(PlayerVolume, PlayerMute, PlayerSetOutputDelay), Volume: ptr(r.IntN(101)), Muted: ptr(r.chance())}
		if r.chance() {
			p.Format = ptr(r.format())
		}
		m.Player = p
	}
	if r.chance() {
		m.Source = &SourceState{Signal: r.one("", SignalAbsent, SignalPresent)}
	}
	if r.chance() {
		a := &ArtworkState{}
		for range 1 + r.IntN(4) {
			c := ArtworkChannel{Source: r.one(ArtworkAlbum, ArtworkArtist, ArtworkNone)}
			if c.Source != ArtworkNone {
				c.Format, c.Width, c.Height = r.one(ImageJPEG, ImagePNG), 1+r.IntN(4000), 1+r.IntN(4000)
			}
			a.Channels = append(a.Channels, c)
		}
		m.Artwork = a
	}
	if r.chance() {
		f := r.IntN(1000)
		m.Visualizer = &VisualizerState{Types: r.some(visualTypes()...), RateMax: 1 + r.IntN(60),
			Spectrum: &Spectrum{1 + r.IntN(64), r.one(ScaleMel, ScaleLog, ScaleLin), f, f + r.IntN(20000)}}
	}
	return m
}

func (r random) serverState() *ServerState {
	m := &ServerState{App: r.app()}
	if r.chance() {
		m.Metadata = &Metadata{Timestamp: r.Int64() - math.MaxInt64/2, Title: r.text(), Album: r.text()}
		if r.chance() {
			m.Metadata.Year, m.Metadata.Track = ptr(r.IntN(10000)), ptr(1+r.IntN(99))
			m.Metadata.Progress = &Progress{r.Int64N(1 << 40), r.Int64N(1 << 40), r.IntN(5000)}
		}
	}
	if r.chance() {
		m.Controller = &ControllerState{SupportedCommands: r.some(controlCommands()...), Volume: r.IntN(101), Muted: r.chance(),
			Repeat: r.one(RepeatAll, RepeatOne, RepeatOff), Shuffle: r.chance(), SeekMaxMS: ptr(r.Int64N(1 << 40))}
	}
	if r.chance() {
		m.Color = &Color{Timestamp: r.Int64()}
		for _, c := range m.Color.colors() {
			if r.chance() {
				*c.rgb = &RGB{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}
			}
		}
	}
	return m
}

func TestRandomRoundTrips(t *testing.T) {
	r := random{rand.New(rand.NewPCG(4, 2))}
	for range 3000 {
		for client, m := range map[bool]Message{true: r.state(), false: r.serverState()} {
			b, err := Current().Encode(m)
			if err != nil {
				t.Fatalf("%+v: %v", m, err)
			}
			got, err := decodeFrom(client, b)
			if err != nil || !reflect.DeepEqual(got, m) {
				t.Fatalf("%s\n got %+v (%v)\nwant %+v", b, got, err, m)
			}
		}
	}
}

// TestNeverNull: no message that can be encoded holds a null of ours.
func TestNeverNull(t *testing.T) {
	for _, m := range []Message{&ClientHello{PairMethods: PairMethods{PSK: &SecretMethod{}}}, &ServerActivate{}, &ClientState{Player: &PlayerState{}},
		&StreamStart{Visualizer: &VisualizerStream{}, Artwork: &ArtworkStream{}},
		&ServerState{Metadata: &Metadata{}}, &ServerState{Controller: &ControllerState{Repeat: RepeatOff}}, &ServerState{Color: &Color{}},
		&GroupUpdate{PlaybackState: PlaybackStopped, GroupID: "g"}} {
		b, err := Current().Encode(m)
		if err != nil || strings.Contains(string(b), "null") {
			t.Errorf("%s, %v", b, err)
		}
	}
}
