package playercmd

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// The panel is what stays below the lines of a player's terminal while it matters: the
// code of a pairing attempt.

// digitRows are the digits as blocks, five rows of six columns each.
var digitRows = [10][5]string{
	{"██████", "██  ██", "██  ██", "██  ██", "██████"},
	{"  ██  ", "████  ", "  ██  ", "  ██  ", "██████"},
	{"██████", "    ██", "██████", "██    ", "██████"},
	{"██████", "    ██", "██████", "    ██", "██████"},
	{"██  ██", "██  ██", "██████", "    ██", "    ██"},
	{"██████", "██    ", "██████", "    ██", "██████"},
	{"██████", "██    ", "██████", "██  ██", "██████"},
	{"██████", "    ██", "   ██ ", "  ██  ", "  ██  "},
	{"██████", "██  ██", "██████", "██  ██", "██████"},
	{"██████", "██  ██", "██████", "    ██", "██████"},
}

// bigDigits draws a code such as "123-456" in five rows, at most 58 columns for six
// digits.
func bigDigits(code string) []string {
	rows := make([]string, 5)
	for i := range rows {
		var parts []string
		for _, c := range code {
			switch {
			case '0' <= c && c <= '9':
				parts = append(parts, digitRows[c-'0'][i])
			case i == 2:
				parts = append(parts, " ███ ")
			default:
				parts = append(parts, "     ")
			}
		}
		rows[i] = strings.Join(parts, "  ")
	}
	return rows
}

// quiet is the light border of a QR code, in modules. Four are recommended; two scan as
// well from a screen, and leave room on a terminal of 24 lines.
const quiet = 2

// drawQR draws text as a QR code, two modules to a character. With color, the code is
// black on white whatever the terminal's colors are; without, it takes light letters on
// dark.
func drawQR(text string, color bool) ([]string, error) {
	c, err := qr.Encode(text, qr.L)
	if err != nil {
		return nil, fmt.Errorf("draw QR code: %w", err)
	}
	var rows []string
	for y := -quiet; y < c.Size+quiet; y += 2 {
		var b strings.Builder
		for x := -quiet; x < c.Size+quiet; x++ {
			b.WriteRune(halves(!c.Black(x, y), !c.Black(x, y+1)))
		}
		row := b.String()
		if color {
			row = "\x1b[97;40m" + row + "\x1b[0m"
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// halves is the character with these halves of it lit.
func halves(upper, lower bool) rune {
	switch {
	case upper && lower:
		return '█'
	case upper:
		return '▀'
	case lower:
		return '▄'
	}
	return ' '
}

// codePanel shows the code of an attempt.
func codePanel(p pairingView, color bool) []string {
	lines := []string{""}
	if p.token != "" {
		rows, err := drawQR(p.token, color)
		if err != nil {
			rows = []string{p.token}
		}
		lines = append(lines, rows...)
		lines = append(lines, fmt.Sprintf("  scan this code for %s (c cancels)", p.server))
	} else {
		for _, row := range bigDigits(p.code) {
			lines = append(lines, "  "+row)
		}
		lines = append(lines, "", fmt.Sprintf("  enter %s at %s (c cancels)", p.code, p.server))
	}
	if p.round > 1 {
		lines = append(lines, "  a wrong code was entered: this one is right, try it again")
	}
	return lines
}
