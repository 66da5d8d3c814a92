package source

// reservoir rewrites MPEG-2 frames so that each carries its own data.
//
// go-mp3 v0.3.4 computes the size of a padded MPEG-2 frame one byte too small for many
// bit rates, and loses that byte of the bit reservoir, which breaks the frames after
// it. A frame that points nowhere back (main_data_begin 0) and has room to spare is
// immune to that: this type collects the main data and hands every frame all of its
// own, in a frame of the largest bit rate.
type reservoir struct {
	past []byte // main data of the frames before, as much as can be pointed at
	out  []byte
}

const (
	maxLSFReach = 255 // main_data_begin has eight bits in MPEG-2
	lsfBitrate  = 14  // index of 160 kbit/s, the largest
)

// reset forgets the past, for a seek.
func (r *reservoir) reset() { r.past = r.past[:0] }

// rewrite returns the frame in its new form, valid until the next call.
func (r *reservoir) rewrite(frame []byte, h mp3Head) []byte {
	sideLen := h.sideInfo() - 4
	at := 4
	if h.crc {
		at += 2
	}
	if len(frame) < at+sideLen {
		return frame
	}
	side, main := frame[at:at+sideLen], frame[at+sideLen:]
	size := 144 * 160000 / (h.rate) / 2
	r.out = append(r.out[:0], frame[0], frame[1]|1, frame[2]&0x0C|lsfBitrate<<4, frame[3]) // no CRC, no padding
	back := int(side[0])
	if back > len(r.past) {
		// Its beginning was before the seek or is lost: an empty frame sounds of nothing.
		r.out = append(r.out, make([]byte, sideLen)...)
	} else {
		r.out = append(r.out, side...)
		r.out[4] = 0
		r.out = append(r.out, r.past[len(r.past)-back:]...)
		r.out = append(r.out, main...)
	}
	if len(r.out) > size {
		// Only what the granule uses counts; the rest belongs to later frames.
		r.out = r.out[:size]
	}
	r.out = append(r.out, make([]byte, size-len(r.out))...)
	r.past = append(r.past, main...)
	if drop := len(r.past) - maxLSFReach; drop > 0 {
		r.past = r.past[:copy(r.past, r.past[drop:])]
	}
	return r.out
}
