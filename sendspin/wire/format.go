package wire

import (
	"fmt"
	"strconv"
	"strings"
)

func itoa(v int) string { return strconv.Itoa(v) }

// ParseAudioFormat reads the form of [AudioFormat.String], codec:rate:depth:channels,
// such as "flac:48000:24:2".
func ParseAudioFormat(s string) (AudioFormat, error) {
	parts := strings.Split(s, ":")
	if len(parts) != 4 {
		return AudioFormat{}, fmt.Errorf("wire: format %q: want codec:rate:depth:channels, such as flac:48000:24:2", s)
	}
	f := AudioFormat{Codec: parts[0]}
	switch f.Codec {
	case CodecFLAC, CodecOpus, CodecPCM:
	default:
		return AudioFormat{}, fmt.Errorf("wire: format %q: codec must be flac, pcm or opus", s)
	}
	for i, p := range []*int{&f.SampleRate, &f.BitDepth, &f.Channels} {
		v, err := strconv.Atoi(parts[i+1])
		if err != nil || v < 1 {
			return AudioFormat{}, fmt.Errorf("wire: format %q: %q is not a positive number", s, parts[i+1])
		}
		*p = v
	}
	return f, nil
}
