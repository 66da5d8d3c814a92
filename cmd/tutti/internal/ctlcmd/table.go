package ctlcmd

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// table prints rows in aligned columns. Cells come from devices and people: what
// could move the cursor or colour the screen is taken out.
type table struct{ rows [][]string }

func newTable(head ...string) *table { return &table{rows: [][]string{head}} }

func (t *table) add(cells ...string) {
	for i := range cells {
		cells[i] = clean(cells[i])
	}
	t.rows = append(t.rows, cells)
}

func (t *table) print(w io.Writer) error {
	var width []int
	for _, row := range t.rows {
		for i, c := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	var b strings.Builder
	colours := coloured(w)
	for _, row := range t.rows {
		var line strings.Builder
		for i, c := range row {
			line.WriteString(paint(c, colours))
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", width[i]-utf8.RuneCountInString(c)+2))
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// lines are the rows as print writes them, without colours.
func (t *table) lines() []string {
	var b strings.Builder
	_ = t.print(&b) // a strings.Builder does not fail
	return strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
}

// paint colours a cell that begins with a sign of trust.
func paint(cell string, colours bool) string {
	if !colours {
		return cell
	}
	for _, s := range signs {
		if strings.HasPrefix(cell, s.String()) {
			return "\x1b[" + s.colour + "m" + cell + "\x1b[0m"
		}
	}
	return cell
}

// clean replaces control and format characters, which a device's name may hold.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return '·'
		}
		return r
	}, s)
}

// bar draws value of most in width cells.
func bar(value, most int64, width int, full, empty string) string {
	n := 0
	if most > 0 {
		n = int(min(max(value, 0), most) * int64(width) / most)
	}
	return strings.Repeat(full, n) + strings.Repeat(empty, width-n)
}

// clock is a position in a title: 2:03, 1:02:03.
func clock(ms int64) string {
	s := ms / 1000
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// ago is a past moment for a person.
func ago(t time.Time, now time.Time) string {
	d := now.Sub(t)
	switch {
	case t.IsZero():
		return "-"
	case d < 2*time.Second:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(d.Hours()/24))
}

func (f *apiFormat) String() string {
	if f == nil {
		return "-"
	}
	rate := fmt.Sprintf("%g", float64(f.SampleRate)/1000)
	if f.Codec == "opus" {
		return "opus " + rate
	}
	return fmt.Sprintf("%s %s/%d", f.Codec, rate, f.BitDepth)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
