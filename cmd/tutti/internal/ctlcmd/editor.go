package ctlcmd

import (
	"strconv"
	"strings"
	"unicode"
)

// outcome is what a key means for an entry.
type outcome int

const (
	entryGoesOn outcome = iota
	entryDone
	entryCancelled
)

// editor is one entry at a terminal: it takes keys one after the other and draws
// itself in one line. It is plain data, so that tests and fuzzers can drive it.
type editor interface {
	key(r rune) outcome
	// view is the line, and how many columns its end is behind the cursor.
	view() (line string, back int)
	// value is what was entered.
	value() string
	// wipe overwrites what was entered.
	wipe()
}

// Keys that an editor knows.
const (
	keyCtrlC     = 0x03
	keyCtrlD     = 0x04
	keyBackspace = 0x08
	keyCtrlU     = 0x15
	keyCtrlW     = 0x17
	keyEscape    = 0x1b
	keyDelete    = 0x7f
)

// escapes leaves out the sequences that arrow keys, function keys and bracketed
// paste send.
type escapes struct{ state int }

// skip reports whether r belongs to a sequence.
func (e *escapes) skip(r rune) bool {
	switch e.state {
	case 1: // after ESC
		switch r {
		case '[':
			e.state = 2
			return true
		case 'O':
			e.state = 3
			return true
		}
		e.state = 0
	case 2: // parameters, up to a final character
		if r >= 0x40 && r <= 0x7e {
			e.state = 0
		}
		return true
	case 3:
		e.state = 0
		return true
	}
	if r == keyEscape {
		e.state = 1
		return true
	}
	return false
}

// digitEditor is the entry of a code of want digits, in groups with a slot for each.
type digitEditor struct {
	label  string
	want   int
	digits []byte
	hint   string
	esc    escapes
}

func newDigitEditor(label string, want int) *digitEditor {
	return &digitEditor{label: label, want: want, digits: make([]byte, 0, want)}
}

func (e *digitEditor) key(r rune) outcome {
	if e.esc.skip(r) {
		return entryGoesOn
	}
	e.hint = ""
	if r >= '０' && r <= '９' { // of a Japanese keyboard
		r = r - '０' + '0'
	}
	switch {
	case r == keyCtrlC, r == keyCtrlD:
		return entryCancelled
	case r == keyBackspace, r == keyDelete:
		e.digits = e.digits[:max(0, len(e.digits)-1)]
	case r == keyCtrlU, r == keyCtrlW:
		e.digits = e.digits[:0]
	case r == '\r', r == '\n':
		if len(e.digits) == e.want {
			return entryDone
		}
		if len(e.digits) > 0 {
			e.hint = missing(e.want - len(e.digits))
		}
	case r >= '0' && r <= '9':
		if len(e.digits) == e.want {
			e.hint = "that is all of them: Enter sends, Backspace corrects"
			break
		}
		e.digits = append(e.digits, byte(r))
	case unicode.IsLetter(r):
		e.hint = "digits only"
	}
	return entryGoesOn
}

func missing(n int) string {
	if n == 1 {
		return "1 digit is missing"
	}
	return strconv.Itoa(n) + " digits are missing"
}

func (e *digitEditor) view() (string, int) {
	slots := []rune(grouped(string(e.digits)+strings.Repeat("_", e.want-len(e.digits)), "-"))
	line := e.label + string(slots)
	back := 0
	for i, r := range slots {
		if r == '_' {
			back = len(slots) - i
			break
		}
	}
	if e.hint != "" {
		line += "  " + e.hint
		back += 2 + len([]rune(e.hint))
	}
	return line, back
}

func (e *digitEditor) value() string { return string(e.digits) }

func (e *digitEditor) wipe() {
	clear(e.digits[:cap(e.digits)])
	e.digits = e.digits[:0]
}

// grouped puts a code's digits into the groups in which devices show them: 3-3, 4-4,
// else one (section Pairing Code Presentation).
func grouped(s, sep string) string {
	if n := len(s); n == 6 || n == 8 {
		return s[:n/2] + sep + s[n/2:]
	}
	return s
}

// textEditor is the entry of a token. What is secret for long is not shown.
type textEditor struct {
	label  string
	hidden bool
	text   []rune
	hint   string
	esc    escapes
}

// longestEntry bounds what a terminal sends into a textEditor; a token has some 110
// characters.
const longestEntry = 1024

func (e *textEditor) key(r rune) outcome {
	if e.esc.skip(r) {
		return entryGoesOn
	}
	e.hint = ""
	switch {
	case r == keyCtrlC, r == keyCtrlD:
		return entryCancelled
	case r == keyBackspace, r == keyDelete:
		e.text = e.text[:max(0, len(e.text)-1)]
	case r == keyCtrlU, r == keyCtrlW:
		e.text = e.text[:0]
	case r == '\r', r == '\n':
		if len(e.text) > 0 {
			return entryDone
		}
		e.hint = "paste or scan it here; Ctrl-C ends"
	case unicode.IsPrint(r) && !unicode.IsSpace(r) && len(e.text) < longestEntry:
		e.text = append(e.text, r)
	}
	return entryGoesOn
}

func (e *textEditor) view() (string, int) {
	line := e.label
	switch n := len(e.text); {
	case n > 0 && e.hidden:
		line += "(" + strconv.Itoa(n) + " characters)"
	case n > 40:
		line += string(e.text[:20]) + "…" + string(e.text[n-19:])
	default:
		line += string(e.text)
	}
	if e.hint == "" {
		return line, 0
	}
	return line + "  " + e.hint, 2 + len([]rune(e.hint))
}

func (e *textEditor) value() string { return string(e.text) }

func (e *textEditor) wipe() {
	clear(e.text[:cap(e.text)])
	e.text = e.text[:0]
}
