package channel

import "github.com/tutti-audio/tutti/sendspin/noise"

// Layout of a fragment inside the AEAD plaintext (specification: "Fragmentation"):
//
//	first:  [1][flags][orig_type][data...]
//	later:  [1][flags][data...]
//
// flags: bit 0 last, bit 1 first, bits 2-7 zero.
const (
	idJSON     = 0
	idFragment = 1

	flagLast  = 1 << 0
	flagFirst = 1 << 1
	flagsRest = ^byte(flagLast | flagFirst)

	firstHeader = 3
	laterHeader = 2

	// maxPayload is what one transport message carries after the ID.
	maxPayload = noise.MaxPlaintext - 1
)

// assembler turns transport plaintexts into messages. It belongs to the reader.
type assembler struct {
	limit      int                // bytes of a message's payload
	implements func(id byte) bool // nil: all

	inFlight bool
	discard  bool // of an ID that nobody wants: followed, not kept
	id       byte
	buf      []byte
}

// add takes the next plaintext. With complete, payload (which aliases plain or the
// assembler's buffer) is a whole message. An error is final.
func (a *assembler) add(plain []byte) (id byte, payload []byte, complete bool, err error) {
	if len(plain) == 0 {
		return 0, nil, false, ErrEmpty
	}
	if plain[0] != idFragment {
		if a.inFlight {
			return 0, nil, false, ErrFragmentInterrupted
		}
		if len(plain)-1 > a.limit {
			return 0, nil, false, ErrTooLarge
		}
		return plain[0], plain[1:], true, nil
	}

	flags, data, err := a.open(plain)
	if err != nil {
		return 0, nil, false, err
	}
	if !a.discard {
		if len(data) > a.limit-len(a.buf) {
			return 0, nil, false, ErrTooLarge
		}
		a.buf = append(a.buf, data...)
	}
	if flags&flagLast == 0 {
		return 0, nil, false, nil
	}
	// The buffer goes to the caller and from there to the garbage collector: large
	// messages are rare, and an idle connection holds none.
	id, payload, complete = a.id, a.buf, !a.discard
	a.inFlight, a.discard, a.buf = false, false, nil
	return id, payload, complete, nil
}

// open checks a fragment against the sequence and, if it is a first one, starts
// the sequence.
func (a *assembler) open(plain []byte) (flags byte, data []byte, err error) {
	if len(plain) < laterHeader {
		return 0, nil, ErrFragmentShort
	}
	flags = plain[1]
	switch {
	case flags&flagsRest != 0:
		return 0, nil, ErrFragmentFlags
	case flags&flagFirst == 0 && !a.inFlight:
		return 0, nil, ErrFragmentStray
	case flags&flagFirst == 0:
		return flags, plain[laterHeader:], nil
	case a.inFlight:
		return 0, nil, ErrFragmentFirst
	case len(plain) < firstHeader:
		return 0, nil, ErrFragmentShort
	case plain[2] == idFragment:
		return 0, nil, ErrFragmentNested
	}
	a.inFlight, a.id = true, plain[2]
	a.discard = a.implements != nil && !a.implements(a.id)
	return flags, plain[firstHeader:], nil
}

// appendFragment appends the plaintext of the next fragment of a message to dst
// and returns what is left of its payload. dst must have noise.MaxPlaintext bytes
// of room if it is not to grow.
func appendFragment(dst []byte, id byte, payload []byte, first bool) (plain, rest []byte) {
	room, flags := noise.MaxPlaintext-laterHeader, byte(0)
	if first {
		room, flags = noise.MaxPlaintext-firstHeader, flagFirst
	}
	n := min(room, len(payload))
	if n == len(payload) {
		flags |= flagLast
	}
	dst = append(dst, idFragment, flags)
	if first {
		dst = append(dst, id)
	}
	return append(dst, payload[:n]...), payload[n:]
}
