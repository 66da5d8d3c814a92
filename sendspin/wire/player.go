package wire

// Codecs of audio streams (section client/hello player@v1 support object).
const (
	CodecOpus = "opus"
	CodecFLAC = "flac"
	CodecPCM  = "pcm"
)

// AudioFormat is a codec with its parameters.
type AudioFormat struct {
	// Codec is CodecOpus, CodecFLAC or CodecPCM.
	Codec string
	// Channels is at least 1.
	Channels int
	// SampleRate is in Hz, at least 1.
	SampleRate int
	// BitDepth is in bits, at least 1. It has no meaning for opus.
	BitDepth int
}

// Same reports whether two formats are the same stream format; the bit depth of
// opus does not count.
func (f AudioFormat) Same(o AudioFormat) bool {
	if f.Codec == CodecOpus && o.Codec == CodecOpus {
		f.BitDepth, o.BitDepth = 0, 0
	}
	return f == o
}

// PlayerSupport is the player@v1 support object of client/hello.
type PlayerSupport struct {
	// Formats are in order of preference. Entries with a codec that is not
	// recognized are left out on decoding, so the list may be empty.
	Formats []AudioFormat
	// BufferCapacity is the limit of outstanding audio chunks in bytes, at least 0
	// (section Player Buffer Accounting).
	BufferCapacity int
}

// Commands of [PlayerCommand], as listed in PlayerState.SupportedCommands.
const (
	PlayerVolume         = "volume"
	PlayerMute           = "mute"
	PlayerSetOutputDelay = "set_output_delay"
)

// MaxOutputDelayMS is the upper end of output_delay_ms; the lower end is 0.
const MaxOutputDelayMS = 5000

// PlayerState is the player object of client/state. Which commands a server may
// send is told by SupportedCommands alone: a player may report a volume that
// cannot be set.
type PlayerState struct {
	// Volume is 0-100, perceived loudness. Required with PlayerVolume.
	Volume *int
	// Muted is required with PlayerMute.
	Muted *bool
	// OutputDelayMS is 0 to MaxOutputDelayMS; decoding clamps it to that range.
	OutputDelayMS int
	// RequiredLeadMS and MinBufferMS are in milliseconds, at least 0.
	RequiredLeadMS int
	MinBufferMS    int
	// SupportedCommands is a subset of the Player command constants.
	SupportedCommands []string
	// Format is the format that the player prefers now; nil for no preference.
	Format *AudioFormat
}

// PlayerCommand is the player object of server/command.
type PlayerCommand struct {
	// Command is one of the Player command constants. Others are kept as received;
	// a player ignores them.
	Command string
	// Volume is 0-100, with PlayerVolume only.
	Volume *int
	// Mute is with PlayerMute only.
	Mute *bool
	// OutputDelayMS is 0 to MaxOutputDelayMS, with PlayerSetOutputDelay only.
	OutputDelayMS *int
}

// PlayerStream is the player object of stream/start.
type PlayerStream struct {
	Format AudioFormat
	// CodecHeader is "fLaC" and STREAMINFO for flac, empty otherwise. Standard
	// Base64 on the wire.
	CodecHeader []byte
}
