package stream

import (
	"fmt"
	"testing"

	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// capIs waits until a session was told that it is in a group with a cap; -1: none.
func (d *device) capIs(what, group string, limit int32) {
	d.r.t.Helper()
	until(d.r.t, func() string {
		_, g, _, _ := d.now()
		got := int32(-1)
		if g.VolumeCap != nil {
			got = g.GetVolumeCap()
		}
		if g.GetGroupId() != group || got != limit {
			return fmt.Sprintf("%s: it is in %s with the cap %d, want %s and %d", what, g.GetGroupId(), got, group, limit)
		}
		return ""
	})
}

// The quiet hours of a speaker's home zone hold wherever a controller takes it, when they
// begin, change and end there, and the least counts.
func TestQuietHoursFollowASpeakerFromItsHome(t *testing.T) {
	v := newVenue(t, "2026-06-01 21:00")
	v.file("a.flac", 60, 1)
	stop := v.service(v.bus, "one")
	d, x, y := v.device("a", "pcm:44100:16:2"), v.device("x", "pcm:44100:16:2"), v.device("y", "pcm:44100:16:2")
	bar, terrace := v.make("Bar", d), v.make("Terrace", x, y)
	quietAt := func(group, start string, limit int32) *tuttiv1.Schedule {
		return &tuttiv1.Schedule{GroupId: group, Name: group, Enabled: true,
			QuietHours: []*tuttiv1.QuietHours{{Days: allDays, Start: start, End: "06:00", MaxVolume: limit}}}
	}
	s := v.put(quietAt(bar, "22:00", 20))
	v.command(by("token:someone", play(terrace, "a.flac")))
	x.playing(0)
	v.press(d, "switch")
	d.capIs("before quiet hours", terrace, -1)
	v.sets("2026-06-01 22:00")
	d.capIs("they begin at home", terrace, 20)
	x.capIs("who is at home here", terrace, -1)

	// No controller passes it: what the group asks of the guest is inside.
	v.command(by("client:"+d.id, setVolume(terrace, 100)))
	for _, c := range []struct {
		d    *device
		want string
	}{{d, "v20"}, {x, "v100"}} {
		until(t, func() string {
			if got := c.d.asked(); len(got) == 0 || got[len(got)-1] != c.want {
				return fmt.Sprintf("%s was asked for %v, want %s", c.d.id, got, c.want)
			}
			return ""
		})
	}
	v.press(d, "switch") // alone now
	own := ""
	until(t, func() string {
		if own = v.groupOf(d); own == terrace {
			return "it is not alone yet"
		}
		return ""
	})
	d.capIs("alone", own, 20)
	v.press(d, "switch")
	d.capIs("and back", terrace, 20)
	if n := capsAbove(d, 20); n != 0 {
		t.Errorf("%d times it was told that it may be louder", n)
	}

	// The least counts, and holds over the end of the server.
	other := v.put(quietAt(terrace, "21:00", 10))
	d.capIs("it is quieter here", terrace, 10)
	x.capIs("for all", terrace, 10)
	stop()
	v.service(v.bus, "two")
	d.capIs("after a restart", terrace, 10)
	ask[tuttiv1.ScheduleReply](v.rig, subject.StreamSchedule, &tuttiv1.ScheduleRequest{Request: &tuttiv1.ScheduleRequest_Delete{Delete: other.GetScheduleId()}})
	d.capIs("without that one", terrace, 20)
	s.QuietHours[0].MaxVolume = 30
	v.put(s)
	d.capIs("the home's is another", terrace, 30)
	v.sets("2026-06-02 06:00")
	d.capIs("they end at home", terrace, -1)
	v.sets("2026-06-02 22:00")
	d.capIs("the next night", terrace, 30)

	// The operator's word makes it belong here.
	ask[tuttiv1.GroupReply](v.rig, subject.StreamAddMember, &tuttiv1.GroupMemberRequest{GroupId: terrace, ClientId: d.id})
	d.capIs("at home here", terrace, -1)
}

// A zone that is deleted has no quiet hours any more, for its guests elsewhere either.
func TestAHomeThatIsGoneCapsNobody(t *testing.T) {
	v := newVenue(t, "2026-06-01 23:00")
	v.file("a.flac", 60, 1)
	v.service(v.bus, "one")
	d, x := v.device("a", "pcm:44100:16:2"), v.device("x", "pcm:44100:16:2")
	bar, terrace := v.make("Bar", d), v.make("Terrace", x)
	v.put(&tuttiv1.Schedule{GroupId: bar, Name: "Bar", Enabled: true,
		QuietHours: []*tuttiv1.QuietHours{{Days: allDays, Start: "22:00", End: "06:00", MaxVolume: 20}}})
	d.capIs("at home", bar, 20)
	v.command(by("token:someone", play(terrace, "a.flac")))
	x.playing(0)
	v.press(d, "switch")
	d.capIs("a guest", terrace, 20)
	if err := try(v.rig, subject.StreamDeleteGroup, &tuttiv1.GroupRequest{GroupId: bar}, &tuttiv1.Empty{}); err != nil {
		t.Fatal(err)
	}
	d.capIs("its home is gone", terrace, -1)
}

// Who is taken out of its zone while it is a guest elsewhere is at home nowhere, and the
// scheduler lifts the cap that came along.
func TestAGuestThatLosesItsHomeLosesItsCap(t *testing.T) {
	t.Parallel()
	v := newVenue(t, "2026-06-01 23:00")
	v.file("a.flac", 60, 1)
	v.service(v.bus, "one")
	d, x := v.device("a", "pcm:44100:16:2"), v.device("x", "pcm:44100:16:2")
	bar, terrace := v.make("Bar", d), v.make("Terrace", x)
	v.put(&tuttiv1.Schedule{GroupId: bar, Name: "Bar", Enabled: true,
		QuietHours: []*tuttiv1.QuietHours{{Days: allDays, Start: "22:00", End: "06:00", MaxVolume: 20}}})
	d.capIs("at home", bar, 20)
	v.command(by("token:someone", play(terrace, "a.flac")))
	x.playing(0)
	v.press(d, "switch")
	d.capIs("a guest", terrace, 20)
	ask[tuttiv1.GroupReply](v.rig, subject.StreamRemoveMember, &tuttiv1.GroupMemberRequest{GroupId: bar, ClientId: d.id})
	d.capIs("at home nowhere", terrace, -1)
}

// capsAbove counts the news of a group, since the first with a cap, that had none or a
// greater one.
func capsAbove(d *device, limit int32) (n int) {
	var begun bool
	for _, c := range d.sent() {
		g := c.GetGroup()
		if g == nil {
			continue
		}
		begun = begun || g.VolumeCap != nil
		if begun && (g.VolumeCap == nil || g.GetVolumeCap() > limit) {
			n++
		}
	}
	return n
}
