package independent

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/mewkiz/flac/frame"
)

// chunk is one audio chunk as received.
type chunk struct {
	at        int64 // arrival, our clock
	ts        int64
	ahead     uint32
	size      int // header and payload
	frames    int64
	rate      int64
	samples   []int32
	stream    int // counts stream/start that began from empty
	epoch     int // counts starts from empty and clears
	inPlace   int // counts in-place stream/starts
	codec     string
	gap       int64 // µs between the end of the chunk before and this one; within an epoch
	confirmed int   // states known to be received when it came
}

// end is when the chunk completes on the server's clock, without output delay.
func (c *chunk) end() int64 { return c.ts + c.frames*1_000_000/c.rate }

// sentAt is the transmit time of the chunk on the server's clock.
func (c *chunk) sentAt() (int64, bool) {
	if c.ahead == 0 || c.ahead == math.MaxUint32 {
		return 0, false
	}
	return c.ts - int64(c.ahead), true
}

// exchange is what one client/time told.
type exchange struct{ offset, maxErr int64 }

// referee judges what one connection receives. It is written from the rules
// alone and keeps only what they need.
type referee struct {
	o      options
	faults []string
	hints  []string // what should not be, but may

	psk     string // category that keys the session
	missed  bool   // Sentinel Fallback: the server has a record that we do not have
	rekeys  int    // re-handshakes so far
	rekeyed bool   // the next message is the first under new keys

	hello, helloSent, activated bool
	activations                 int
	roles                       map[string]bool
	activities                  []any
	stated                      map[string]bool // roles whose first server/state came

	// What we told, and how much of it the server has surely received.
	states    []obj
	asked     map[int64]asked
	heard     int // states sent before an exchange that was answered
	confirmed int // the same one exchange later: what came with the first is acted on

	best      *exchange
	lastStamp int64 // newest transmit time seen

	// player stream
	streaming bool
	format    obj
	streams   int
	epoch     int
	inPlace   int
	startedAt int64 // server_transmitted of the trigger
	fresh     bool  // the next chunk is the first since the trigger
	next      int64 // where the next chunk should begin: exactly, since
	anchor    int64 // this chunk's timestamp
	played    int64 // and this many frames at
	rate      int64
	window    []*chunk // since the last reset of the accounting
	chunks    []*chunk

	// what the displays are sent
	group    obj // the last group/update
	control  obj // the last controller object
	pictures pictures
	frames   frames
}

type asked struct {
	sentAt int64
	states int // told before
	heard  int
}

func newReferee(o options) referee {
	return referee{o: o, roles: map[string]bool{}, stated: map[string]bool{}, asked: map[int64]asked{}}
}

func (r *referee) fault(f string, a ...any) { r.faults = append(r.faults, fmt.Sprintf(f, a...)) }

// sent notes what we say.
func (r *referee) sent(typ string, payload obj) {
	switch typ {
	case "client/hello":
		r.helloSent = true
	case "client/state":
		merged := maps.Clone(payload) // a role object that is left out is unchanged
		for _, role := range []string{"player", "artwork", "visualizer"} {
			if n := len(r.states); n > 0 && merged[role] == nil {
				merged[role] = r.states[n-1][role]
			}
		}
		r.states = append(r.states, merged)
	case "client/time":
		r.asked[payload["client_transmitted"].(int64)] = asked{now(), len(r.states), r.heard}
	}
}

// received judges one JSON message in its place.
func (r *referee) received(m msg) {
	if !r.activated {
		switch {
		case m.typ == "server/hello" && !r.hello:
		case m.typ == "server/activate" && r.helloSent:
		default:
			r.fault("%s before the first server/activate", m)
		}
	}
	if r.rekeyed && m.typ != "server/activate" {
		r.fault("%s as the first message after a re-handshake", m)
	}
	r.rekeyed = false
	if t, ok := m.payload["server_transmitted"]; ok {
		r.stamp(num(t), m.at, m.typ)
	}
	switch m.typ {
	case "server/hello":
		if r.hello {
			r.fault("a second server/hello")
		}
		r.hello = true
	case "server/activate":
		r.activate(m.payload)
	case "server/time":
		r.time(m)
	case "server/state":
		r.state(m)
	case "server/command":
		r.command(m.payload)
	case "group/update":
		if maps.EqualFunc(r.group, m.payload, same) {
			r.fault("%s a second time", m)
		}
		r.group = m.payload
	case "stream/start":
		r.start(m.payload)
	case "stream/clear", "stream/end":
		r.clearOrEnd(m)
	}
}

func (r *referee) activate(p obj) {
	first := !r.activated
	r.activated, r.activations = true, r.activations+1
	r.activities, _ = p["activities"].([]any)
	list, there := p["active_roles"].([]any)
	if first && !there {
		r.fault("the first server/activate lacks active_roles")
	}
	r.purpose(p, len(list) > 0 || !there && len(r.roles) > 0)
	if !there {
		return
	}
	roles, families := map[string]bool{}, map[string]bool{}
	for _, v := range list {
		name := v.(string)
		if !slices.Contains(r.o.roles, name) {
			r.fault("active_roles has %s, which we did not list", name)
		}
		family, _, _ := bytes.Cut([]byte(name), []byte("@"))
		if families[string(family)] {
			r.fault("two versions of %s are active", family)
		}
		roles[name], families[string(family)] = true, true
	}
	for name, open := range r.open() {
		if open && !roles[name+"@v1"] {
			r.fault("%s was removed while its stream is active", name)
		}
	}
	for name := range r.stated {
		if !roles[name+"@v1"] {
			delete(r.stated, name)
		}
	}
	r.roles = roles
}

// purpose judges activities and pairing against the PSK that keys the session.
func (r *referee) purpose(p obj, roles bool) {
	pairing, playback := contains(r.activities, "pairing"), contains(r.activities, "playback")
	details, there := p["pairing"].(map[string]any)
	if pairing != there {
		r.fault("server/activate %v: 'pairing' in activities is %v, the pairing object is there: %v", p, pairing, there)
	}
	if pairing && (details["method"] == "pairing_psk") != (r.psk == "pr") {
		r.fault("server/activate %v on a session of category %s", p, r.psk)
	}
	if _, format := details["format"]; format != (details["method"] == "dynamic_pairing_code") {
		r.fault("server/activate %v: format and method do not fit", p)
	}
	if pairing && r.psk == "lt" {
		r.fault("server/activate %v on a paired session", p)
	}
	if (playback || roles) && r.psk != "lt" && (r.o.noAccess || r.missed && !r.o.vault.excused()) {
		r.fault("server/activate %v: no unpaired access (fallback %v)", p, r.missed)
	}
}

// time judges an answer and keeps the best offset (server minus client).
func (r *referee) time(m msg) {
	t1 := num(m.payload["client_transmitted"])
	a, ok := r.asked[t1]
	if !ok {
		r.fault("server/time for %d, which we did not ask", t1)
		return
	}
	delete(r.asked, t1)
	r.heard, r.confirmed = max(r.heard, a.states), max(r.confirmed, a.heard)
	t2, t3 := num(m.payload["server_received"]), num(m.payload["server_transmitted"])
	if t3 < t2 {
		r.fault("server/time transmitted %d before it received %d", t3, t2)
	}
	e := exchange{((t2 - a.sentAt) + (t3 - m.at)) / 2, ((m.at - a.sentAt) - (t3 - t2)) / 2}
	if e.maxErr < 0 {
		r.fault("server/time: the server took %d µs of a round trip of %d µs", t3-t2, m.at-a.sentAt)
	}
	if r.best != nil && abs(e.offset-r.best.offset) > e.maxErr+r.best.maxErr+2 {
		r.fault("the server's clock jumped: offset %d±%d, then %d±%d", r.best.offset, r.best.maxErr, e.offset, e.maxErr)
	}
	if r.best == nil || e.maxErr < r.best.maxErr {
		r.best = &e
	}
}

func abs(x int64) int64 { return max(x, -x) }

// stamp judges a transmit time: never after its arrival, and in the order of
// the messages, since each is taken immediately before the encryption.
func (r *referee) stamp(t, at int64, what string) {
	if t < r.lastStamp {
		r.fault("%s was transmitted at %d, after a message of %d", what, t, r.lastStamp)
	}
	r.lastStamp = max(r.lastStamp, t)
	if r.best != nil && t > at+r.best.offset+r.best.maxErr+2 {
		r.fault("%s says it was transmitted %d µs after it arrived", what, t-at-r.best.offset)
	}
}

func (r *referee) state(m msg) {
	for name, v := range m.payload {
		o := v.(obj)
		if !r.roles[name+"@v1"] {
			r.fault("server/state has %s, which is not active", name)
		}
		if t, ok := o["timestamp"]; ok && !r.stated[name] && r.best != nil && num(t) > m.at+r.best.offset+r.best.maxErr+2 {
			r.fault("the first server/state of %s lies %d µs in the future", name, num(t)-m.at-r.best.offset)
		}
		if t, ok := o["timestamp"]; ok && r.best != nil && num(t) > m.at+r.best.offset+r.best.maxErr+20_000_000 {
			r.hints = append(r.hints, fmt.Sprintf("server/state of %s lies %d µs in the future", name, num(t)-m.at-r.best.offset))
		}
		if name == "color" {
			r.contrast(o)
		}
		if name == "controller" {
			if r.stated[name] && maps.EqualFunc(r.control, o, same) {
				r.fault("controller %v a second time", o)
			}
			r.control = o
			_, max := o["seek_max_ms"]
			if slices.Contains(o["supported_commands"].([]any), any("seek")) && !max {
				r.fault("controller offers seek without seek_max_ms")
			}
		}
		r.stated[name] = true
	}
}

// same compares two values of JSON.
func same(a, b any) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

// open tells which streams are active.
func (r *referee) open() map[string]bool {
	return map[string]bool{"player": r.streaming, "artwork": r.pictures.open, "visualizer": r.frames.open}
}

// command judges a server/command against the states that the server may know.
func (r *referee) command(p obj) {
	if len(p) == 1 && p["source"] != nil {
		if !r.roles["source@v1"] {
			r.fault("server/command %v without an active source", p)
		}
		if sub(p, "source")["command"] == "start" && !r.someState(func(s obj) bool { return s["available"] == true }) {
			r.fault("a source that is not available is asked to start")
		}
		return
	}
	c := sub(p, "player")
	if c == nil || !r.roles["player@v1"] {
		r.fault("server/command %v without an active player", p)
		return
	}
	name := c["command"].(string)
	want := map[string]string{"volume": "volume", "mute": "mute", "set_output_delay": "output_delay_ms"}[name]
	if _, there := c[want]; !there || len(c) != 2 {
		r.fault("server/command %v wants %q alone beside command", c, want)
	}
	if !r.someState(func(s obj) bool {
		l, _ := sub(s, "player")["supported_commands"].([]string)
		return slices.Contains(l, name)
	}) {
		r.fault("server/command %s, which no client/state offers", name)
	}
}

// someState tells whether one of the states that may be the server's latest
// satisfies is.
func (r *referee) someState(is func(obj) bool) bool {
	from := max(r.confirmed-1, 0)
	return slices.ContainsFunc(r.states[min(from, len(r.states)):], is)
}

func (r *referee) start(p obj) {
	if !r.someState(func(s obj) bool { return s["available"] == true }) {
		r.fault("stream/start although the latest client/state is not available")
	}
	objects := 0
	for name := range r.open() {
		if p[name] == nil {
			continue
		}
		objects++
		if !r.roles[name+"@v1"] {
			r.fault("stream/start of %s, which is not active", name)
		}
		if !slices.ContainsFunc(r.states, func(s obj) bool { return s[name] != nil }) {
			r.fault("stream/start of %s before its client/state", name)
		}
	}
	if objects == 0 {
		r.fault("stream/start %v for no role", p)
	}
	if a := sub(p, "artwork"); a != nil {
		r.startPictures(a)
	}
	if v := sub(p, "visualizer"); v != nil {
		r.startFrames(v)
	}
	f := sub(p, "player")
	if f == nil {
		return
	}
	r.judgeFormat(f)
	if r.streaming {
		r.inPlace++
	} else {
		r.streams++
		r.restart(p)
	}
	r.streaming, r.format = true, maps.Clone(f)
}

// restart is a trigger that begins from empty.
func (r *referee) restart(p obj) {
	r.epoch++
	r.startedAt, r.fresh, r.next, r.window = num(p["server_transmitted"]), true, 0, nil
}

func (r *referee) judgeFormat(f obj) {
	if !slices.ContainsFunc(r.o.formats, func(o obj) bool {
		return o["codec"] == f["codec"] && int64(o["sample_rate"].(int)) == num(f["sample_rate"]) &&
			int64(o["channels"].(int)) == num(f["channels"]) && int64(o["bit_depth"].(int)) == num(f["bit_depth"])
	}) {
		r.fault("stream/start in %v, which we did not list", f)
	}
	h, there := f["codec_header"].(string)
	if f["codec"] != "flac" {
		if there {
			r.fault("stream/start in %v has a codec_header", f["codec"])
		}
		return
	}
	b, err := base64.StdEncoding.Strict().DecodeString(h)
	if err != nil || len(b) != 4+4+34 || string(b[:4]) != "fLaC" || b[4] != 0x80 || be32(b[4:])&0xFFFFFF != 34 {
		r.fault("codec_header %q is not fLaC and one STREAMINFO block: %v", h, err)
		return
	}
	packed := be64(b[18:])
	if rate, ch, bits := packed>>44&0xFFFFF, packed>>41&7+1, packed>>36&31+1; rate != num(f["sample_rate"]) || ch != num(f["channels"]) || bits != num(f["bit_depth"]) {
		r.fault("STREAMINFO says %d Hz, %d channels, %d bits; stream/start %v", rate, ch, bits, f)
	}
}

func (r *referee) clearOrEnd(m msg) {
	clear := m.typ == "stream/clear"
	open := r.open()
	if clear {
		delete(open, "artwork")
	}
	roles, there := m.payload["roles"].([]any)
	for _, name := range roles {
		if !open[name.(string)] {
			r.fault("%s, while that stream is not active", m)
		}
	}
	if !there && !slices.Contains(slices.Collect(maps.Values(open)), true) {
		r.fault("%s, while no stream is active", m)
	}
	hit := func(name string) bool { return open[name] && (!there || slices.Contains(roles, any(name))) }
	if hit("player") && clear {
		r.restart(m.payload)
	} else if hit("player") {
		r.streaming, r.window = false, nil
	}
	if hit("visualizer") {
		r.frames.forget(!clear)
	}
	if hit("artwork") {
		r.endPictures()
	}
}

// audio judges a binary message and decodes it.
func (r *referee) audio(at int64, plain []byte) *chunk {
	if r.rekeyed {
		r.fault("binary message %d as the first message after a re-handshake", plain[0])
	}
	switch {
	case plain[0] >= 8 && plain[0] <= 11:
		r.picture(at, plain)
		return nil
	case plain[0] >= 16 && plain[0] <= 20:
		r.frame(at, plain)
		return nil
	case plain[0] != 4:
		r.fault("binary message %d", plain[0])
		return nil
	}
	if !r.streaming {
		r.fault("audio outside a stream")
		return nil
	}
	if len(plain) <= 13 {
		r.fault("audio chunk of %d bytes", len(plain))
		return nil
	}
	if !slices.ContainsFunc(r.states, func(s obj) bool { return sub(s, "player") != nil }) {
		r.fault("audio before the first client/state of the player")
	}
	c := &chunk{
		at: at, ts: be64(plain[1:]), ahead: be32(plain[9:]), size: len(plain), rate: num(r.format["sample_rate"]),
		stream: r.streams, epoch: r.epoch, inPlace: r.inPlace, codec: r.format["codec"].(string), confirmed: r.confirmed,
	}
	if err := c.decode(plain[13:], int(num(r.format["bit_depth"])), int(num(r.format["channels"]))); err != nil {
		r.fault("chunk at %d: %v", c.ts, err)
		return nil
	}
	if t, ok := c.sentAt(); ok {
		r.stamp(t, at, "an audio chunk")
	}
	if us := c.frames * 1_000_000 / c.rate; us > 150_000 {
		r.fault("a chunk of %d µs", us)
	}
	r.timeline(c)
	r.account(c)
	r.chunks = append(r.chunks, c)
	return c
}

// timeline checks the lead of a first chunk and the joints of the others.
func (r *referee) timeline(c *chunk) {
	if r.fresh {
		r.fresh = false
		lead := (c.ts - r.startedAt) / 1000
		atLeast := func(want func(player obj) int) bool {
			return r.someState(func(s obj) bool { return lead >= int64(want(sub(s, "player"))) })
		}
		if !atLeast(func(p obj) int { return p["min_buffer_ms"].(int) + p["output_delay_ms"].(int) }) {
			r.fault("the first chunk has %d ms of lead, less than min_buffer_ms + output_delay_ms", lead)
		}
		// A hint: half of it is the excuse of a machine that was busy meanwhile.
		if !atLeast(func(p obj) int { return p["required_lead_time_ms"].(int) / 2 }) {
			r.hints = append(r.hints, fmt.Sprintf("the first chunk has %d ms of lead, far less than required_lead_time_ms", lead))
		}
		r.anchor, r.played, r.rate = c.ts, 0, c.rate
	} else {
		c.gap = c.ts - r.next
	}
	if abs(c.gap) > 1 || c.rate != r.rate {
		r.anchor, r.played, r.rate = c.ts, 0, c.rate
	}
	r.played += c.frames
	r.next = r.anchor + r.played*1_000_000/c.rate
}

// account applies Player Buffer Accounting with the delay most favourable to
// the server among those that it may have received last.
func (r *referee) account(c *chunk) {
	sent, ok := c.sentAt()
	if !ok {
		return
	}
	least := math.MaxInt
	r.someState(func(s obj) bool {
		delay := int64(sub(s, "player")["output_delay_ms"].(int)) * 1000
		count := 0
		for _, b := range r.window {
			if b.end()-delay > sent {
				count += b.size
			}
		}
		least = min(least, count)
		return false
	})
	r.window = append(r.window, c)
	if least+c.size > r.o.buffer {
		r.fault("a chunk of %d bytes at %d exceeds buffer_capacity: %d of %d are outstanding", c.size, c.ts, least, r.o.buffer)
	}
}

// decode reads whole codec units.
func (c *chunk) decode(b []byte, bits, channels int) error {
	if c.codec == "flac" {
		return c.decodeFLAC(b)
	}
	width := bits / 8
	if len(b)%(channels*width) != 0 {
		return fmt.Errorf("%d bytes are no whole number of frames", len(b))
	}
	for i := 0; i < len(b); i += width {
		var v int32
		for k := range width {
			v |= int32(b[i+k]) << (32 - 8*(width-k))
		}
		c.samples = append(c.samples, v>>(32-bits))
	}
	c.frames = int64(len(b) / (channels * width))
	return nil
}

func (c *chunk) decodeFLAC(b []byte) error {
	for rd := bytes.NewReader(b); rd.Len() > 0; {
		f, err := frame.Parse(rd)
		if err != nil {
			return fmt.Errorf("no whole FLAC frame at byte %d: %w", len(b)-rd.Len(), err)
		}
		for i := range f.Subframes[0].Samples {
			for _, s := range f.Subframes {
				c.samples = append(c.samples, s.Samples[i])
			}
		}
		c.frames += int64(f.BlockSize)
	}
	return nil
}
