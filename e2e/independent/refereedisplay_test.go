package independent

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"maps"
	"math"
	"slices"
)

// pictures is what the artwork stream of a connection has shown.
type pictures struct {
	open     bool
	channels [4]obj // of the newest stream/start; nil is none
	flight   *picture
	last     [4]*picture // the newest announced one that was not cancelled
	all      []*picture  // complete ones, in order
}

// picture is one image.
type picture struct {
	channel int
	at      int64 // arrival of its announce
	ts      int64
	size    int
	data    []byte
	img     image.Image // nil for an empty one
	format  string
	wanted  obj // the channel's configuration
}

// startPictures judges the artwork object of a stream/start.
func (r *referee) startPictures(a obj) {
	p := &r.pictures
	list := a["channels"].([]any)
	var now [4]obj
	for i, c := range list {
		if m := c.(obj); m["source"] != "none" {
			now[i] = m
		}
	}
	if n := len(list); n > 0 && now[n-1] == nil {
		r.hints = append(r.hints, fmt.Sprintf("the artwork channels %v are not cut after the last one that is streamed", list))
	}
	if !r.someState(func(s obj) bool { return sameChannels(now, s) }) {
		r.fault("stream/start of artwork in %v, which no client/state asks for", list)
	}
	for i := range now {
		changed := !maps.EqualFunc(p.channels[i], now[i], same)
		if p.open && changed && p.flight != nil && p.flight.channel == i {
			r.fault("artwork channel %d changes while an image for it is in flight", i)
		}
		if last := p.last[i]; p.open && p.channels[i] != nil && now[i] == nil && last != nil && (last.size > 0 || r.future(last)) {
			r.fault("artwork channel %d becomes none without having been cleared", i)
		}
	}
	p.open, p.channels = true, now
}

// future reports whether an image lies ahead of the time at which it was announced.
func (r *referee) future(p *picture) bool {
	return r.best != nil && p.ts > p.at+r.best.offset+r.best.maxErr+2
}

// sameChannels compares a stream's channels with those of a client/state.
func sameChannels(stream [4]obj, state obj) bool {
	asked, _ := sub(state, "artwork")["channels"].([]obj)
	for i := range stream {
		var want obj
		if i < len(asked) && asked[i]["source"] != "none" {
			want = asked[i]
		}
		if !maps.EqualFunc(stream[i], want, same) {
			return false
		}
	}
	return true
}

func (r *referee) endPictures() {
	if r.pictures.flight != nil {
		r.fault("stream/end of artwork while an image is in flight")
	}
	r.pictures = pictures{all: r.pictures.all}
}

// picture judges one artwork message.
func (r *referee) picture(at int64, plain []byte) {
	p, channel := &r.pictures, int(plain[0]-8)
	switch {
	case !p.open:
		r.fault("an artwork message outside of a stream")
	case len(plain) < 2 || len(plain) > 65519:
		r.fault("an artwork message of %d bytes", len(plain))
	case plain[1]&^3 != 0 || plain[1] == 3:
		r.fault("an artwork message with the flags %08b", plain[1])
	case plain[1] == 1:
		if len(plain) != 2 {
			r.fault("a cancel of %d bytes", len(plain))
		}
		if p.flight != nil && p.flight.channel == channel {
			p.flight = nil
		}
		p.last[channel] = nil
	case plain[1] == 2:
		r.announce(at, channel, plain)
	default:
		r.part(channel, plain[2:])
	}
}

func (r *referee) announce(at int64, channel int, plain []byte) {
	p := &r.pictures
	if len(plain) != 14 {
		r.fault("an announce of %d bytes", len(plain))
		return
	}
	if p.flight != nil {
		r.fault("an image is announced on channel %d while one is in flight on channel %d", channel, p.flight.channel)
	}
	n := &picture{channel: channel, at: at, ts: be64(plain[2:]), size: int(be32(plain[10:])), wanted: p.channels[channel]}
	if n.wanted == nil {
		r.fault("an image on channel %d, which is not streamed", channel)
	}
	if r.best != nil && n.ts > at+r.best.offset+r.best.maxErr+20_000_000 {
		r.hints = append(r.hints, fmt.Sprintf("an image is announced %d µs ahead", n.ts-at-r.best.offset))
	}
	p.last[channel] = n
	if n.size == 0 {
		p.all = append(p.all, n)
		return
	}
	p.flight = n
}

func (r *referee) part(channel int, data []byte) {
	p := &r.pictures
	n := p.flight
	if n == nil || n.channel != channel || len(n.data)+len(data) > n.size {
		r.fault("%d bytes of an image on channel %d, in flight: %v", len(data), channel, n != nil)
		return
	}
	if n.data = append(n.data, data...); len(n.data) < n.size {
		return
	}
	p.flight = nil
	p.all = append(p.all, n)
	r.judgePicture(n)
}

// judgePicture decodes a complete image.
func (r *referee) judgePicture(n *picture) {
	var err error
	if n.format = "jpeg"; bytes.HasPrefix(n.data, []byte("\x89PNG")) {
		n.format = "png"
		n.img, err = png.Decode(bytes.NewReader(n.data))
	} else {
		n.img, err = jpeg.Decode(bytes.NewReader(n.data))
	}
	if err != nil {
		r.fault("an image of %d bytes on channel %d does not decode: %v", n.size, n.channel, err)
		return
	}
	b := n.img.Bounds()
	if n.format != n.wanted["format"] || int64(b.Dx()) != num(n.wanted["width"]) || int64(b.Dy()) != num(n.wanted["height"]) {
		r.fault("a %s of %d by %d on channel %d, wanted %v", n.format, b.Dx(), b.Dy(), n.channel, n.wanted)
	}
}

// frames is what the visualizer stream of a connection has shown.
type frames struct {
	open   bool
	config obj
	lastTS int64
	held   []seen // of the accounting
	all    []seen
	rates  map[byte][]int64 // timestamps of the last second, by periodic type
}

// seen is one frame.
type seen struct {
	typ    byte
	at, ts int64
	size   int
	value  []byte
}

// forget is what a clear and an end do.
func (f *frames) forget(end bool) {
	f.lastTS, f.held, f.rates = math.MinInt64, nil, map[byte][]int64{}
	f.open = f.open && !end
}

// startFrames judges the visualizer object of a stream/start.
func (r *referee) startFrames(v obj) {
	if !r.frames.open {
		r.frames.forget(false)
	}
	r.frames.open, r.frames.config = true, v
	r.frames.rates = map[byte][]int64{}
	if !r.someState(func(s obj) bool {
		asked := sub(s, "visualizer")
		types, _ := asked["types"].([]string)
		for _, t := range v["types"].([]any) {
			if !slices.Contains(types, t.(string)) {
				return false
			}
		}
		rate, _ := asked["rate_max"].(int)
		return num(v["rate_max"]) <= int64(rate) && (v["spectrum"] == nil || same(v["spectrum"], asked["spectrum"]))
	}) {
		r.fault("stream/start of the visualizer in %v, which no client/state asks for", v)
	}
}

// frameNames are the message types.
var frameNames = map[byte]string{16: "loudness", 17: "beat", 18: "f_peak", 19: "spectrum", 20: "peak"}

// frame judges one visualizer message.
func (r *referee) frame(at int64, plain []byte) {
	f, typ := &r.frames, plain[0]
	if !f.open {
		r.fault("a visualizer message outside of a stream")
		return
	}
	want := map[byte]int{16: 2, 17: 1, 18: 4, 19: int(2 * num(sub(f.config, "spectrum")["n_disp_bins"])), 20: 1}[typ]
	if types := f.config["types"].([]any); !slices.Contains(types, any(frameNames[typ])) || len(plain) != 9+want {
		r.fault("a %s message of %d bytes in a stream of %v", frameNames[typ], len(plain), f.config)
		return
	}
	s := seen{typ: typ, at: at, ts: be64(plain[1:]), size: len(plain), value: slices.Clone(plain[9:])}
	if s.ts < f.lastTS {
		r.fault("a %s message is %d µs before the one before it", frameNames[typ], f.lastTS-s.ts)
	}
	f.lastTS = s.ts
	switch {
	case typ == 17 && (s.value[0]&^1 != 0 || s.value[0] == 1 && f.config["tracks_downbeats"] != true):
		r.fault("a beat with the flags %08b, tracks_downbeats %v", s.value[0], f.config["tracks_downbeats"])
	case typ == 18 && s.value[0] == 0 && s.value[1] == 0 && (s.value[2] != 0 || s.value[3] != 0):
		r.fault("f_peak without a frequency has an amplitude")
	}
	r.countFrame(s)
	f.all = append(f.all, s)
}

// countFrame checks the rate and the buffer. What is past at arrival may have been to
// come when it was sent, so that the count is never too large.
func (r *referee) countFrame(s seen) {
	f := &r.frames
	if s.typ == 16 || s.typ == 18 || s.typ == 19 {
		within := slices.DeleteFunc(f.rates[s.typ], func(ts int64) bool { return ts <= s.ts-1_000_000 })
		f.rates[s.typ] = append(within, s.ts)
		if n := int64(len(within) + 1); n > num(f.config["rate_max"])+1 {
			r.fault("%d %s messages within a second, rate_max is %v", n, frameNames[s.typ], f.config["rate_max"])
		}
	}
	if r.best == nil {
		return
	}
	now, sum := s.at+r.best.offset+r.best.maxErr, s.size
	f.held = slices.DeleteFunc(f.held, func(h seen) bool { return h.ts <= now })
	for _, h := range f.held {
		sum += h.size
	}
	if sum > r.o.visBuf {
		r.fault("%d bytes of visualizer messages are to come, buffer_capacity is %d", sum, r.o.visBuf)
	}
	f.held = append(f.held, s)
}

// contrast judges the colors of server/state by WCAG 2.
func (r *referee) contrast(o obj) {
	black, white := [3]float64{}, [3]float64{255, 255, 255}
	pair := func(name string, others ...any) {
		a, there := rgb(o[name])
		for _, x := range others {
			b, ok := x.([3]float64)
			if s, named := x.(string); named {
				b, ok = rgb(o[s])
			}
			if c := ratio(a, b); there && ok && c < 4.5 {
				r.fault("%s %v has a contrast of %.2f with %v", name, a, c, x)
			}
		}
	}
	pair("background_dark", white, "on_dark")
	pair("background_light", black, "on_light")
	pair("on_dark", black)
	pair("on_light", white)
}

func rgb(v any) (c [3]float64, ok bool) {
	l, _ := v.([]any)
	if len(l) != 3 {
		return c, false
	}
	for i := range c {
		c[i] = float64(num(l[i]))
	}
	return c, true
}

// ratio is the contrast of two colors: that of their relative luminances.
func ratio(a, b [3]float64) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(c [3]float64) (y float64) {
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		v := c[i] / 255
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		y += weight * v
	}
	return y
}
