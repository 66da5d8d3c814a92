package source

import (
	"bytes"
	"strings"
)

// kind is what content is, by its first bytes.
type kind struct {
	codec   string // of those that are decoded here: "flac", "mp3", "wav"; else the container
	demuxer string // ffmpeg's name
	label   string // for people
}

// kinds are the formats that are known by a magic, in the order in which they are tried.
var kinds = []struct {
	at    int
	magic string
	kind
}{
	{0, "fLaC", kind{"flac", "flac", "FLAC"}},
	{8, "WAVE", kind{"wav", "wav", "WAV"}},
	{0, "OggS", kind{"ogg", "ogg", "Ogg"}},
	{4, "ftyp", kind{"mp4", "mov", "MP4"}},
	{0, "\x30\x26\xB2\x75\x8E\x66\xCF\x11", kind{"asf", "asf", "WMA"}},
	{8, "AIFF", kind{"aiff", "aiff", "AIFF"}},
	{8, "AIFC", kind{"aiff", "aiff", "AIFF"}},
	{0, "\x1A\x45\xDF\xA3", kind{"matroska", "matroska", "Matroska/WebM"}},
	{0, "wvpk", kind{"wavpack", "wv", "WavPack"}},
	{0, "MAC ", kind{"ape", "ape", "Monkey's Audio"}},
	{0, "TTA1", kind{"tta", "tta", "True Audio"}},
	{0, "MPCK", kind{"musepack", "mpc8", "Musepack"}},
	{0, "MP+", kind{"musepack", "mpc", "Musepack"}},
	{0, "DSD ", kind{"dsf", "dsf", "DSD"}},
	{0, "caff", kind{"caf", "caf", "Core Audio"}},
	{0, ".snd", kind{"au", "au", "AU"}},
	{0, "tBaK", kind{"tak", "tak", "TAK"}},
	{0, "riff\x2E\x91\xCF\x11", kind{"w64", "w64", "Wave64"}},
	{0, "ADIF", kind{"aac", "aac", "AAC"}},
	{0, "\x0B\x77", kind{"ac3", "ac3", "AC-3"}},
}

// detect tells the format of content that begins with head. What nothing is known of is
// taken for MP3, whose frames may begin anywhere.
func detect(head [sniffed]byte) kind {
	for _, k := range kinds {
		if bytes.HasPrefix(head[k.at:], []byte(k.magic)) && (k.at != 8 || isIFF(head)) {
			if k.codec == "ogg" {
				return oggKind(head, k.kind)
			}
			return k.kind
		}
	}
	if head[0] == 0xFF && head[1]&0xF6 == 0xF0 { // ADTS: the MPEG sync with layer 0
		return kind{"aac", "aac", "AAC"}
	}
	return kind{"mp3", "mp3", "MP3"}
}

func isIFF(head [sniffed]byte) bool {
	m := string(head[:4])
	return m == "RIFF" || m == "FORM"
}

// oggKind looks at the first packet of an Ogg stream (RFC 3533: a page with one segment
// has a header of 28 bytes).
func oggKind(head [sniffed]byte, k kind) kind {
	for magic, label := range map[string]string{"\x01vorbis": "Vorbis", "OpusHead": "Opus", "\x7FFLAC": "FLAC in Ogg", "Speex": "Speex"} {
		if bytes.HasPrefix(head[28:], []byte(magic)) {
			k.label = label
		}
	}
	return k
}

// Extensions by which a file looks playable. Those in need of ffmpeg count, too, so that
// a person finds out what is missing.
var playable = map[string]bool{
	".flac": true, ".mp3": true, ".wav": true, ".wave": true,
	".ogg": true, ".oga": true, ".opus": true, ".m4a": true, ".m4b": true, ".mp4": true, ".aac": true, ".alac": true,
	".wma": true, ".aif": true, ".aiff": true, ".aifc": true, ".wv": true, ".ape": true, ".tta": true, ".mpc": true, ".mp2": true,
	".dsf": true, ".caf": true, ".au": true, ".tak": true, ".w64": true, ".mka": true, ".weba": true, ".webm": true, ".ac3": true,
}

// Decoders lists what can be played here, for people. It looks for ffmpeg.
func Decoders(o Options) []string {
	out := []string{"flac", "mp3", "wav"}
	if _, err := o.tool(); err != nil {
		return out
	}
	for _, name := range strings.Fields("aac ac3 aiff alac ape opus vorbis wavpack wma") {
		out = append(out, name+" (ffmpeg)")
	}
	return append(out, "and what else ffmpeg decodes")
}
