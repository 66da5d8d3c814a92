package wire

// SourceSupport is the source@v1 support object of client/hello.
type SourceSupport struct {
	// LineSense is features.line_sense; nil when the client gives no hint.
	LineSense *bool
}

// ServerSourceSupport is the source@v1 support object of server/hello.
type ServerSourceSupport struct {
	// Codecs are the codecs that the server accepts, with flac and pcm among them.
	Codecs []string
}

// Signals of [SourceState].
const (
	SignalPresent = "present"
	SignalAbsent  = "absent"
)

// SourceState is the source object of client/state.
type SourceState struct {
	// Signal is SignalPresent, SignalAbsent, or empty when the source cannot sense.
	Signal string
}

// Commands of [SourceCommand].
const (
	SourceStart = "start"
	SourceStop  = "stop"
)

// SourceCommand is the source object of server/command.
type SourceCommand struct {
	// Command is SourceStart or SourceStop.
	Command string
}

// ClientStreamStart announces the format of the client's input stream (section
// client-stream/start).
type ClientStreamStart struct {
	Source InputStream
}

// InputStream is the source object of client-stream/start.
type InputStream struct {
	Format AudioFormat
	// CodecHeader is as in [PlayerStream].
	CodecHeader []byte
}

// ClientStreamEnd ends the client's input stream (section client-stream/end).
type ClientStreamEnd struct{}
