package ctlcmd

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/sendspin/pairtoken"
)

func TestTokenFiles(t *testing.T) {
	a, b, c := tokenOf("a", 1), tokenOf("b", 2), tokenOf("c", 3)
	file := "\ufeffPairing token;room\r\n" + // line 1
		"# the carton of March\r\n" +
		"\r\n" +
		a + ";Kitchen;2nd floor\r\n" + // 4
		`"` + strings.ToLower(b) + `",Bath` + "\n" + // 5
		"  " + c[3:] + "\tHall  # by the door\n" + // 6: without SP:
		a + "\n" + // 7: again
		"SP:0SECRETSECRET\n" + // 8: damaged
		pairtoken.EncodeCode([24]byte{1}) + "\n" + // 9: of another kind
		a[:60] + "\n" + // 10: cut off
		"token\n" // 11: no heading here
	got, err := parseTokens(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var lines []int
	for _, x := range got.tokens {
		lines = append(lines, x.line)
		if len(x.clientID) != 43 {
			t.Errorf("line %d: client id %q", x.line, x.clientID)
		}
	}
	if fmt.Sprint(lines) != "[4 5 6]" {
		t.Errorf("tokens in lines %v", lines)
	}
	if len(got.duplicates) != 1 || got.duplicates[0].line != 7 || !strings.Contains(got.duplicates[0].why, "line 4") {
		t.Errorf("duplicates: %+v", got.duplicates)
	}
	if fmt.Sprint(got.bad) != "[{8 holds a pairing token that was cut off} {9 holds another kind of code than a pairing token (SP:0…)} {10 holds a pairing token that was cut off} {11 holds another kind of code than a pairing token (SP:0…)}]" {
		t.Errorf("bad lines: %v", got.bad)
	}
	for name, in := range map[string]string{"long line": strings.Repeat("x", maxTokenLine+1), "large file": strings.Repeat("# x\n", maxTokenFile/4+1)} {
		if _, err := parseTokens(strings.NewReader(in)); err == nil || !strings.Contains(err.Error(), "is it the right file?") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzTokenFile reads anything: each line is counted at most once, each token decodes,
// no device is named twice, and no message repeats a line.
func FuzzTokenFile(f *testing.F) {
	f.Add(tokenOf("a", 1) + "\n" + tokenOf("a", 1) + ",x\n#\n")
	f.Add("\ufefftoken\r\n\"SP:0AAAA\"\n")
	f.Add("SP:1SECRETSECRET")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseTokens(strings.NewReader(s))
		if err != nil {
			return
		}
		ids, lines := map[string]bool{}, map[int]bool{}
		once := func(n int) {
			if lines[n] || n < 1 || n > strings.Count(s, "\n")+1 {
				t.Fatalf("line %d", n)
			}
			lines[n] = true
		}
		for _, x := range got.tokens {
			once(x.line)
			if _, err := pairtoken.DecodePSK(x.token); err != nil || ids[x.clientID] {
				t.Fatalf("line %d: %v", x.line, err)
			}
			ids[x.clientID] = true
		}
		for _, b := range append(got.bad, got.duplicates...) {
			once(b.line)
			if strings.Contains(b.why, "SECRET") {
				t.Fatal("a message repeats the line")
			}
		}
	})
}
