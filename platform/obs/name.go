package obs

import "unicode"

// longestName is how many characters of a stated name a log line shows.
const longestName = 64

// Name is a name that a stranger states, fit for a log line: of bounded length, and
// without what could drive a terminal.
func Name(s string) string {
	r := []rune(s)
	if len(r) > longestName {
		r = append(r[:longestName-1], '…')
	}
	for i, c := range r {
		if unicode.IsControl(c) || unicode.Is(unicode.Cf, c) {
			r[i] = '·'
		}
	}
	return string(r)
}
