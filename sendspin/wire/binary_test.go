package wire

import (
	"bytes"
	"encoding/hex"
	"math"
	"reflect"
	"testing"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// parseArtwork and parseVisual split a whole message as the channel does.
func parseArtwork(b []byte) (ArtworkMessage, error) {
	if len(b) == 0 {
		return ArtworkMessage{}, &BinaryError{}
	}
	return ParseArtwork(b[0], b[1:])
}

func parseVisual(b []byte, bins int) (VisualFrame, error) {
	if len(b) == 0 {
		return VisualFrame{}, &BinaryError{}
	}
	return ParseVisual(b[0], b[1:], bins)
}

func TestSendAheadSaturates(t *testing.T) {
	for _, c := range []struct {
		timestamp, now int64
		want           uint32
	}{
		{1000, 400, 600}, {1000, 999, 1}, {1000, 1000, 0}, {1000, 1001, 0}, {-5, 5, 0},
		{math.MaxUint32, 0, math.MaxUint32}, {math.MaxUint32 + 1, 0, math.MaxUint32}, {math.MaxUint32 - 1, 0, math.MaxUint32 - 1},
		{math.MaxInt64, math.MinInt64, math.MaxUint32}, {math.MinInt64, math.MaxInt64, 0}, {-1, -3, 2},
	} {
		if got := SendAhead(c.timestamp, c.now); got != c.want {
			t.Errorf("SendAhead(%d, %d) = %d, want %d", c.timestamp, c.now, got, c.want)
		}
	}
	if SendAheadMeasured(0) || SendAheadMeasured(math.MaxUint32) || !SendAheadMeasured(1) {
		t.Error("both saturation values, and only they, are no measurement")
	}
}

func TestAudioHeaderLayout(t *testing.T) {
	c := Current()
	b := make([]byte, c.AudioHeaderLen(), 20)
	c.PutAudioHeader(b, 0x0102030405060708, 0x0a0b0c0d)
	if want := unhex(t, "0401020304050607080a0b0c0d"); !bytes.Equal(b, want) {
		t.Errorf("header %x, want %x", b, want)
	}
	got, err := c.ParseAudioChunk(append(b, 7, 8)[1:])
	if err != nil || got.Timestamp != 0x0102030405060708 || got.SendAhead != 0x0a0b0c0d || !bytes.Equal(got.Data, []byte{7, 8}) {
		t.Errorf("%+v, %v", got, err)
	}
	c.PutAudioHeader(b, -1, 0)
	if got, err := c.ParseAudioChunk(b[1:]); err != nil || got.Timestamp != -1 || len(got.Data) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range [][]byte{nil, {4}, b[1:12]} {
		if _, err := c.ParseAudioChunk(bad); err == nil {
			t.Errorf("%x was accepted", bad)
		}
	}
	if allocs := testing.AllocsPerRun(100, func() { c.PutAudioHeader(b, 1, 2) }); allocs != 0 {
		t.Errorf("%v allocations per header", allocs)
	}
}

func TestSourceChunkLayout(t *testing.T) {
	b := AppendSourceChunk(nil, 258, []byte{9})
	if want := unhex(t, "0c000000000000010209"); !bytes.Equal(b, want) {
		t.Errorf("%x, want %x", b, want)
	}
	if got, err := ParseSourceChunk(b[1:]); err != nil || got.Timestamp != 258 || !bytes.Equal(got.Data, []byte{9}) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := ParseSourceChunk(b[1:8]); err == nil {
		t.Error("a chunk without a whole timestamp was accepted")
	}
}

func TestArtworkLayout(t *testing.T) {
	for s, m := range map[string]ArtworkMessage{
		"0902000000000000000500000102": {Kind: ArtworkAnnounce, Channel: 1, Timestamp: 5, TotalSize: 258},
		"0b00ff":                       {Kind: ArtworkPart, Channel: 3, Data: []byte{0xff}},
		"0800":                         {Kind: ArtworkPart, Channel: 0, Data: []byte{}},
		"0801":                         {Kind: ArtworkCancel, Channel: 0},
	} {
		if got := AppendArtwork(nil, m); hex.EncodeToString(got) != s {
			t.Errorf("%+v is written as %x, want %s", m, got, s)
		}
		if got, err := parseArtwork(unhex(t, s)); err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%s: %+v, %v", s, got, err)
		}
	}
	for name, s := range map[string]string{
		"empty": "", "one byte": "08", "wrong ID": "0c00", "reserved flag": "0804", "high flag": "088000", "both flags": "0803",
		"short announce": "09020000000000000005000001", "long announce": "090200000000000000050000010203", "cancel with data": "080100",
	} {
		if _, err := parseArtwork(unhex(t, s)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	part := AppendArtwork(nil, ArtworkMessage{Data: make([]byte, MaxArtworkPart)})
	if len(part) != MaxPlain {
		t.Errorf("the largest part is %d bytes, want what fits one Noise message, %d", len(part), MaxPlain)
	}
	if _, err := parseArtwork(part); err != nil {
		t.Error(err)
	}
	if _, err := parseArtwork(append(part, 0)); err == nil {
		t.Error("a message above the size cap was accepted")
	}
}

func TestVisualLayout(t *testing.T) {
	for s, f := range map[string]VisualFrame{
		"100000000000000005abcd":         {ID: IDLoudness, Timestamp: 5, Value: 0xabcd},
		"11000000000000000501":           {ID: IDBeat, Timestamp: 5, Downbeat: true},
		"12000000000000000501b80102":     {ID: IDFPeak, Timestamp: 5, Freq: 440, Value: 258},
		"13000000000000000500010002ffff": {ID: IDSpectrum, Timestamp: 5, Bins: []uint16{1, 2, 65535}},
		"140000000000000005ff":           {ID: IDPeak, Timestamp: 5, Strength: 255},
	} {
		if got := AppendVisual(nil, f); hex.EncodeToString(got) != s {
			t.Errorf("%+v is written as %x, want %s", f, got, s)
		}
		if got, err := parseVisual(unhex(t, s), 3); err != nil || !reflect.DeepEqual(got, f) {
			t.Errorf("%s: %+v, %v", s, got, err)
		}
		if _, err := parseVisual(unhex(t, s+"00"), 3); err == nil {
			t.Errorf("%s with a byte more was accepted", s)
		}
	}
	if f, err := parseVisual(unhex(t, "110000000000000005fe"), 0); err != nil || f.Downbeat {
		t.Errorf("reserved bits of a beat: %+v, %v", f, err)
	}
	for _, s := range []string{"", "15000000000000000500", "120000000000000005000000ff"} {
		if _, err := parseVisual(unhex(t, s), 3); err == nil {
			t.Errorf("%q was accepted", s)
		}
	}
}
