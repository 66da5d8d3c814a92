package ctlcmd

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"
)

// board shows how far an enrolment is.
type board interface {
	// tell is called for each device after each look.
	tell(x *enrolled, e *enrolment)
	// draw is called when all were told of.
	draw(all []*enrolled)
	close()
}

// newBoard is a table that is drawn again and again at a terminal, else a line for each
// change.
func newBoard(r *run, n int) board {
	if f, ok := r.out.(*os.File); ok && !r.json && term.IsTerminal(int(f.Fd())) {
		return &liveBoard{run: r, file: f}
	}
	return &lineBoard{run: r, states: make(map[string]string, n)}
}

// lineBoard prints a line for each change.
type lineBoard struct {
	run    *run
	states map[string]string
}

func (b *lineBoard) tell(x *enrolled, e *enrolment) {
	if b.states[x.id] == x.state || b.states[x.id] == "" && x.state == "waiting" {
		return
	}
	b.states[x.id] = x.state
	if b.run.json {
		_ = b.run.printEvent(feedEvent{kind: "enrolment.updated", data: string(mustJSON(map[string]any{
			"client_id": x.id, "name": x.name, "line": x.line, "state": x.state, "detail": x.detail, "paired": e.count("paired"), "of": len(e.all),
		}))})
		return
	}
	_, _ = fmt.Fprintf(b.run.out, "[%d/%d] %s\n", e.count("paired"), len(e.all), enrolLine(x))
}

func (b *lineBoard) draw([]*enrolled) {}
func (b *lineBoard) close()           {}

// enrolLine is one device in words: a sign, the word, the name, and why.
func enrolLine(x *enrolled) string {
	s := fmt.Sprintf("%s %-8s %s", enrolSigns[x.state], x.state, clean(clip(x.name)))
	if x.detail != "" {
		s += "  " + clean(x.detail)
	}
	return s
}

var enrolSigns = map[string]string{"waiting": "·", "pairing": "»", "paired": "✓", "failed": "!", "removed": "-"}

// liveBoard is a table that stays in its place.
type liveBoard struct {
	run   *run
	file  *os.File
	drawn int // lines on the screen
}

func (b *liveBoard) tell(*enrolled, *enrolment) {}

func (b *liveBoard) draw(all []*enrolled) {
	width, height, err := term.GetSize(int(b.file.Fd()))
	if err != nil || width < 20 || height < 5 {
		width, height = 80, 24
	}
	var s strings.Builder
	if b.drawn > 0 {
		fmt.Fprintf(&s, "\x1b[%dA", b.drawn)
	}
	lines := boardLines(all, height-2)
	for _, l := range lines {
		s.WriteString("\r\x1b[K" + cut(l, width-1) + "\n")
	}
	s.WriteString("\x1b[J")
	b.drawn = len(lines)
	_, _ = b.file.WriteString(s.String())
}

func (b *liveBoard) close() { b.drawn = 0 }

// boardLines is the table in at most height lines: the head, and the devices, those
// first that something happens to. What finds no place is counted.
func boardLines(all []*enrolled, height int) []string {
	count := map[string]int{}
	for _, x := range all {
		count[x.state]++
	}
	head := fmt.Sprintf("%s %d/%d paired", bar(int64(count["paired"]), int64(len(all)), 20, "█", "░"), count["paired"], len(all))
	for _, s := range []string{"pairing", "waiting", "failed", "removed"} {
		if count[s] > 0 {
			head += fmt.Sprintf(", %d %s", count[s], s)
		}
	}
	order := []string{"failed", "pairing", "waiting", "paired", "removed"}
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b *enrolled) int {
		return slices.Index(order, a.state) - slices.Index(order, b.state)
	})
	lines := []string{head}
	for i, x := range sorted {
		if len(lines) == height-1 && len(sorted)-i > 1 {
			return append(lines, fmt.Sprintf("  and %d more", len(sorted)-i))
		}
		lines = append(lines, "  "+enrolLine(x))
	}
	return lines
}

// cut keeps a line on one line of the screen.
func cut(s string, width int) string {
	if r := []rune(s); len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return s
}
