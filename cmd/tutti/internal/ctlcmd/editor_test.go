package ctlcmd

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// keys types s into an editor and returns the last outcome.
func keys(e editor, s string) outcome {
	last := entryGoesOn
	for _, r := range s {
		if last = e.key(r); last != entryGoesOn {
			return last
		}
	}
	return last
}

func TestDigitEntry(t *testing.T) {
	for typed, want := range map[string]struct {
		view string
		out  outcome
	}{
		"":                          {"Code: ___-___", entryGoesOn},
		"12":                        {"Code: 12_-___", entryGoesOn},
		"1234":                      {"Code: 123-4__", entryGoesOn},
		"123456":                    {"Code: 123-456", entryGoesOn},
		"123-456":                   {"Code: 123-456", entryGoesOn},
		" 12 34 56 ":                {"Code: 123-456", entryGoesOn},
		"１２３４５６":                    {"Code: 123-456", entryGoesOn},
		"1234567":                   {"Code: 123-456  that is all of them: Enter sends, Backspace corrects", entryGoesOn},
		"12x":                       {"Code: 12_-___  digits only", entryGoesOn},
		"123\r":                     {"Code: 123-___  3 digits are missing", entryGoesOn},
		"12345\n":                   {"Code: 123-45_  1 digit is missing", entryGoesOn},
		"\r":                        {"Code: ___-___", entryGoesOn},
		"129\x7f\x083":              {"Code: 13_-___", entryGoesOn},
		"\x7f1":                     {"Code: 1__-___", entryGoesOn},
		"12345\x159":                {"Code: 9__-___", entryGoesOn},
		"12\x1b[D\x1b[3~\x1bOP3":    {"Code: 123-___", entryGoesOn},
		"\x1b[200~123 456\x1b[201~": {"Code: 123-456", entryGoesOn},
		"12\x1b3":                   {"Code: 123-___", entryGoesOn}, // Escape alone, then a digit
		"123456\r":                  {"Code: 123-456", entryDone},
		"12\x03":                    {"Code: 12_-___", entryCancelled},
		"12\x04":                    {"Code: 12_-___", entryCancelled},
	} {
		e := newDigitEditor("Code: ", 6)
		out := keys(e, typed)
		line, back := e.view()
		if line != want.view || out != want.out {
			t.Errorf("%q shows %q (%d), want %q (%d)", typed, line, out, want.view, want.out)
		}
		if slot := strings.IndexByte(line, '_'); slot >= 0 && back != utf8.RuneCountInString(line)-slot {
			t.Errorf("%q: the cursor stands %d from the end of %q", typed, back, line)
		}
	}
	for n, want := range map[int]string{8: "____-____", 4: "____", 10: "__________"} {
		if line, _ := newDigitEditor("", n).view(); line != want {
			t.Errorf("%d digits: %q", n, line)
		}
	}
}

func TestTokenEntry(t *testing.T) {
	e := &textEditor{label: "Token: ", hidden: true}
	if out := keys(e, "\rSP:1 AB\x7fC\x1b[A"); out != entryGoesOn || e.value() != "SP:1AC" {
		t.Errorf("%d, %q", out, e.value())
	}
	if line, _ := e.view(); line != "Token: (6 characters)" {
		t.Errorf("shows %q", line)
	}
	e.hidden = false
	if line, _ := e.view(); line != "Token: SP:1AC" {
		t.Errorf("shows %q", line)
	}
	if keys(e, "\n") != entryDone {
		t.Error("Enter does not end it")
	}
	keys(e, strings.Repeat("x", 3*longestEntry))
	if line, _ := e.view(); len(e.text) != longestEntry || utf8.RuneCountInString(line) > 60 {
		t.Errorf("%d characters are kept, %q is shown", len(e.text), line)
	}
	e.wipe()
	if e.value() != "" {
		t.Error("not wiped")
	}
}

// FuzzDigitEditor types anything: the editor holds digits alone, never more than it
// wants, shows a slot or a digit for each, and is done only when it is full.
func FuzzDigitEditor(f *testing.F) {
	for _, s := range []string{"123456\r", "1\x7f\x7f2", "\x1b[1;5D9", "１a-", "\x1b\x1b[\x1bO5", "999999999\n"} {
		f.Add(s, uint8(6))
	}
	f.Fuzz(func(t *testing.T, s string, n uint8) {
		want := int(n%12) + 1
		e := newDigitEditor("", want)
		for _, r := range s {
			out := e.key(r)
			v := e.value()
			if len(v) > want || strings.Trim(v, "0123456789") != "" {
				t.Fatalf("holds %q", v)
			}
			line, back := e.view()
			slots, _, _ := strings.Cut(line, "  ")
			if n := len(strings.ReplaceAll(slots, "-", "")); n != want {
				t.Fatalf("%q has %d places, want %d", line, n, want)
			}
			if back < 0 || back > utf8.RuneCountInString(line) {
				t.Fatalf("the cursor stands %d from the end of %q", back, line)
			}
			switch out {
			case entryDone:
				if len(v) != want {
					t.Fatalf("done with %q", v)
				}
				return
			case entryCancelled:
				return
			}
		}
	})
}

// FuzzTextEditor types anything: what is kept is bounded and can be shown.
func FuzzTextEditor(f *testing.F) {
	f.Add("SP:14DQ6\r")
	f.Fuzz(func(t *testing.T, s string) {
		e := &textEditor{}
		for _, r := range s {
			if e.key(r) != entryGoesOn {
				break
			}
		}
		if line, _ := e.view(); len(e.text) > longestEntry || strings.ContainsAny(line, "\x1b\r\n") {
			t.Fatalf("shows %q", line)
		}
	})
}
