package wire

// Commands of [ControllerCommand], as listed in ControllerState.SupportedCommands.
const (
	ControlPlay         = "play"
	ControlPause        = "pause"
	ControlStop         = "stop"
	ControlNext         = "next"
	ControlPrevious     = "previous"
	ControlVolume       = "volume"
	ControlMute         = "mute"
	ControlRepeatOff    = "repeat_off"
	ControlRepeatOne    = "repeat_one"
	ControlRepeatAll    = "repeat_all"
	ControlShuffle      = "shuffle"
	ControlUnshuffle    = "unshuffle"
	ControlSwitch       = "switch"
	ControlSeek         = "seek"
	ControlSeekRelative = "seek_relative"
)

// ControllerCommand is the controller object of client/command.
type ControllerCommand struct {
	// Command is one of the Control constants. Others are kept as received; a
	// server ignores them.
	Command string
	// Volume is 0-100, with ControlVolume only.
	Volume *int
	// Mute is with ControlMute only.
	Mute *bool
	// PositionMS is with ControlSeek only. Its range is that of seek_max_ms, so
	// decoding lets every integer pass; a server ignores what is out of range.
	PositionMS *int64
	// OffsetMS is with ControlSeekRelative only, negative for backward.
	OffsetMS *int64
}

// Repeat modes of [ControllerState].
const (
	RepeatOff = "off"
	RepeatOne = "one"
	RepeatAll = "all"
)

// ControllerState is the controller object of server/state.
type ControllerState struct {
	// SupportedCommands is a subset of the Control constants.
	SupportedCommands []string
	// Volume is that of the whole group, 0-100.
	Volume int
	// Muted is that of the whole group.
	Muted bool
	// Repeat is RepeatOff, RepeatOne or RepeatAll.
	Repeat  string
	Shuffle bool
	// SeekMaxMS is the largest position of ControlSeek; required with it.
	SeekMaxMS *int64
}
