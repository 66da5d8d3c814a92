package soak

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/e2e/harness"
	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// zones are the named groups between which devices move.
const zones = 4

// walk is one random walk over what operators, people and networks do. It is seeded, so
// that a failure can be walked again.
type walk struct {
	t       *testing.T
	s       *harness.Server
	rnd     *rand.Rand
	devices []*device
	ref     *reference
	groups  []string
	done    map[string]int // how often each thing was done
}

// act is one thing that can happen, and how likely it is beside the others.
type act struct {
	name   string
	weight int
	do     func(w *walk) error
}

func acts() []act {
	return []act{
		{"play", 6, func(w *walk) error { return w.group("play", nil) }},
		{"play a title", 3, func(w *walk) error { return w.group("play", map[string]any{"uri": w.title()}) }},
		{"play a line-in", 3, func(w *walk) error {
			return w.group("play", map[string]any{"uri": "source:" + w.of(wire.RoleSourceV1).client.ID()})
		}},
		{"pause", 2, func(w *walk) error { return w.group("pause", nil) }},
		{"stop", 1, func(w *walk) error { return w.group("stop", nil) }},
		{"seek", 5, func(w *walk) error { return w.group("seek", map[string]any{"position_ms": w.rnd.IntN(28_000)}) }},
		{"next", 3, func(w *walk) error { return w.group("next", nil) }},
		{"previous", 2, func(w *walk) error { return w.group("previous", nil) }},
		{"volume", 3, func(w *walk) error { return w.group("volume", map[string]any{"volume": w.rnd.IntN(60)}) }},
		{"mute", 2, func(w *walk) error { return w.group("mute", map[string]any{"muted": w.rnd.IntN(2) == 0}) }},
		{"repeat", 1, func(w *walk) error { return w.group("repeat", map[string]any{"mode": w.pick("all", "one", "all")}) }},
		{"shuffle", 1, func(w *walk) error { return w.group("shuffle", map[string]any{"enabled": w.rnd.IntN(2) == 0}) }},
		{"enqueue", 2, func(w *walk) error { return w.group("queue", map[string]any{"uris": []string{w.title()}}) }},
		{"move", 8, (*walk).move},
		{"remove", 3, (*walk).remove},
		{"leave", 2, func(w *walk) error { return w.fine(w.any().client.Leave()) }},
		{"switch", 2, func(w *walk) error { return w.command(wire.ControlSwitch) }},
		{"command", 6, func(w *walk) error { return w.command("") }},
		{"unavailable", 2, func(w *walk) error { return w.fine(w.any().client.SetAvailable(false)) }},
		{"available", 5, func(w *walk) error { return w.fine(w.any().client.SetAvailable(true)) }},
		{"knob", 3, func(w *walk) error { return w.fine(w.player().client.SetVolume(w.rnd.IntN(60))) }},
		{"prefer a format", 4, (*walk).prefer},
		{"output delay", 2, func(w *walk) error { return w.fine(w.player().client.SetOutputDelay(w.rnd.IntN(300))) }},
		{"timing", 2, func(w *walk) error {
			return w.fine(w.player().client.SetTiming(50+w.rnd.IntN(200), 100+w.rnd.IntN(200)))
		}},
		{"cut", 4, func(w *walk) error { w.any().proxy.Cut(); return nil }},
		{"restart", 2, func(w *walk) error { return w.fine(w.any().client.Goodbye(wire.GoodbyeRestart)) }},
		{"other pictures", 2, (*walk).pictures},
		{"other bars", 2, (*walk).bars},
		{"line sense", 2, func(w *walk) error { return w.fine(w.of(wire.RoleSourceV1).client.SetSignal(w.rnd.IntN(2) == 0)) }},
	}
}

// run does things until the time is over.
func (w *walk) run(d time.Duration) {
	w.t.Helper()
	all, sum := acts(), 0
	for _, a := range all {
		sum += a.weight
	}
	for end := time.Now().Add(d); time.Now().Before(end) && !w.t.Failed(); {
		n := w.rnd.IntN(sum)
		i := slices.IndexFunc(all, func(a act) bool { n -= a.weight; return n < 0 })
		w.done[all[i].name]++
		var st *harness.Status
		err := all[i].do(w)
		// A conflict with the state of the moment is a fair answer, and so is a group or
		// a device that has just gone.
		if err != nil && (!errors.As(err, &st) || st.Code != http.StatusConflict && st.Code != http.StatusNotFound) {
			w.t.Errorf("%s: %v", all[i].name, err)
		}
		for _, d := range w.devices {
			if found := d.found(); len(found) > 0 {
				w.t.Errorf("%s, after %q: %v", d.name, all[i].name, found[:min(3, len(found))])
			}
		}
		<-time.After(time.Duration(w.rnd.IntN(400)) * time.Millisecond)
	}
}

// fine turns what a device says when it is not connected, or has too much to do, into
// nothing.
func (w *walk) fine(err error) error {
	if errors.Is(err, client.ErrNotConnected) || errors.Is(err, client.ErrBusy) {
		return nil
	}
	return err
}

func (w *walk) pick(of ...string) string { return of[w.rnd.IntN(len(of))] }

func (w *walk) title() string { return w.pick(w.ref.names...) }

func (w *walk) any() *device { return w.devices[w.rnd.IntN(len(w.devices))] }

func (w *walk) player() *device { return w.of(wire.RolePlayerV1) }

// of is a random device with a role.
func (w *walk) of(role string) *device {
	for {
		if d := w.any(); d.kind.has(role) {
			return d
		}
	}
}

// group commands a random zone.
func (w *walk) group(verb string, body any) error {
	return w.s.Do("POST", "/api/v1/groups/"+w.pick(w.groups...)+"/"+verb, body, nil)
}

func (w *walk) move() error {
	return w.s.Do("PUT", fmt.Sprintf("/api/v1/groups/%s/members/%s", w.pick(w.groups...), w.any().client.ID()), nil, nil)
}

func (w *walk) remove() error {
	d := w.any()
	group, _, _ := d.where()
	if !slices.Contains(w.groups, group) {
		return nil
	}
	return w.s.Do("DELETE", fmt.Sprintf("/api/v1/groups/%s/members/%s", group, d.client.ID()), nil, nil)
}

// command has a wall controller command its group: name, or anything that it may.
func (w *walk) command(name string) error {
	d := w.of(wire.RoleControllerV1)
	_, _, commands := d.where()
	if name == "" && len(commands) > 0 {
		name = w.pick(commands...)
	}
	c := wire.ControllerCommand{Command: name}
	switch name {
	case "":
		return nil
	case wire.ControlVolume:
		v := w.rnd.IntN(60)
		c.Volume = &v
	case wire.ControlMute:
		m := w.rnd.IntN(2) == 0
		c.Mute = &m
	case wire.ControlSeek:
		p := int64(w.rnd.IntN(40_000)) // some are out of range, which is to be ignored
		c.PositionMS = &p
	case wire.ControlSeekRelative:
		o := int64(w.rnd.IntN(20_000) - 10_000)
		c.OffsetMS = &o
	}
	return w.fine(d.client.SendCommand(c))
}

func (w *walk) prefer() error {
	d := w.player()
	if w.rnd.IntN(3) == 0 {
		return w.fine(d.client.SetFormat(nil))
	}
	f := d.kind.formats[w.rnd.IntN(len(d.kind.formats))]
	return w.fine(d.client.SetFormat(&f))
}

func (w *walk) pictures() error {
	list := []wire.ArtworkChannel{
		{Source: wire.ArtworkAlbum, Format: wire.ImagePNG, Width: 50 + w.rnd.IntN(100), Height: 50 + w.rnd.IntN(100)},
		{Source: wire.ArtworkNone},
		{Source: wire.ArtworkArtist, Format: wire.ImageJPEG, Width: 40, Height: 90},
	}
	return w.fine(w.of(wire.RoleArtworkV1).client.SetArtwork(list[:1+w.rnd.IntN(3)]))
}

func (w *walk) bars() error {
	return w.fine(w.of(wire.RoleVisualizerV1).client.SetVisualizer(*bars(5 + w.rnd.IntN(40))))
}

// settle brings everybody home, with music everywhere: what is compared before and after.
func (w *walk) settle() {
	w.t.Helper()
	for _, d := range w.devices {
		_, _ = d.client.SetAvailable(true), d.client.SetFormat(nil)
	}
	harness.Eventually(w.t, 2*time.Minute, "everybody is back", func() string { return unready(w.s.Clients(w.t), w.devices) })
	harness.Eventually(w.t, 3*time.Minute, "every device is in its zone", w.home)
	for _, g := range w.groups {
		path := "/api/v1/groups/" + g
		w.s.Must(w.t, "DELETE", path+"/queue", nil, nil)
		w.s.Must(w.t, "POST", path+"/shuffle", map[string]any{"enabled": false}, nil)
		w.s.Must(w.t, "POST", path+"/repeat", map[string]any{"mode": "all"}, nil)
		w.s.Must(w.t, "POST", path+"/play", map[string]any{"uri": w.ref.names[0]}, nil)
		w.s.Must(w.t, "POST", path+"/queue", map[string]any{"uris": w.ref.names[1:]}, nil)
	}
	for _, d := range w.devices {
		if d.kind.has(wire.RolePlayerV1) {
			d.await(w.t, "chunks")
		}
	}
}

// home brings every device into its zone and names those that are not there yet.
func (w *walk) home() string {
	missing := ""
	for i, d := range w.devices {
		zone := w.groups[i%zones]
		at, _, _ := d.where()
		if at == zone {
			continue
		}
		missing = fmt.Sprintf("%s is in %q", d.name, at)
		if err := w.s.Do("PUT", fmt.Sprintf("/api/v1/groups/%s/members/%s", zone, d.client.ID()), nil, nil); err != nil {
			missing += ": " + err.Error()
		}
	}
	return missing
}
