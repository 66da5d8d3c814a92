package machine

import (
	"testing"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// A group's next holder, or one that lost an answer, says everything again; the client
// hears of each change once.
func TestEveryChangeIsSaidOnce(t *testing.T) {
	m := ready(t)
	title := "song"
	meta := func(ts, position int64, speed int32) *tuttiv1.StateUpdate {
		return &tuttiv1.StateUpdate{Metadata: &tuttiv1.MetadataState{Title: &title, TimestampUs: ts,
			Progress: &tuttiv1.Progress{TrackProgressMs: position, TrackDurationMs: 9000, PlaybackSpeed: speed}}}
	}
	control := func(volume int32, commands ...string) *tuttiv1.StateUpdate {
		return &tuttiv1.StateUpdate{Controller: &tuttiv1.ControllerState{Volume: volume, Repeat: "off", SupportedCommands: commands}}
	}
	said := func(what string, now int64, c *tuttiv1.SessionCommand, want string) {
		t.Helper()
		effects, err := m.Command(c, now)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, what, effects, want)
	}
	state := func(u *tuttiv1.StateUpdate) *tuttiv1.SessionCommand {
		return &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_State{State: u}}
	}
	said("a group", 1, group("g", "playing"), "group g playing")
	said("the same group", 2, group("g", "playing"), "")
	said("it stops", 3, group("g", "stopped"), "group g stopped")
	said("another", 4, group("h", "stopped"), "group h stopped")

	said("it plays", 10, state(meta(10, 0, 1000)), `state metadata "song"@10`)
	said("it still plays", 20, state(meta(10, 0, 1000)), "")
	said("elsewhere", 30, state(meta(30, 5000, 1000)), `state metadata "song"@30`)
	said("paused", 40, state(meta(40, 5010, 0)), `state metadata "song"@40`)
	said("still paused, said later", 50, state(meta(50, 5010, 0)), "")
	said("paused elsewhere", 60, state(meta(60, 0, 0)), `state metadata "song"@60`)
	said("the next is announced", 70, state(meta(90, 0, 1000)), `state metadata "song"@90`)
	said("which is said again", 72, state(meta(90, 0, 1000)), "")
	said("and called off", 75, state(meta(75, 0, 0)), `state metadata "song"@75`)
	said("which is said again", 76, state(meta(76, 0, 0)), "")

	said("controls", 80, state(control(10, "play")), "state controller 10")
	said("the same controls", 81, state(control(10, "play")), "")
	said("another command", 82, state(control(10, "pause")), "state controller 10")
	said("another volume", 83, state(control(11, "pause")), "state controller 11")
	said("nothing at all", 84, state(&tuttiv1.StateUpdate{}), "")
}
