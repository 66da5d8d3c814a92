package ctlcmd

import (
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// sign is a state of trust at a glance: a symbol and a word that tell the states apart
// without colour, too.
type sign struct {
	symbol, word string
	colour       string // SGR parameters
}

func (s sign) String() string { return s.symbol + " " + s.word }

// The signs of trust.
var (
	signPaired     = sign{"✓", "paired", "32"}
	signApproved   = sign{"+", "approved", "36"}
	signWaiting    = sign{"?", "waiting", "33"}
	signPretending = sign{"!", "pretending?", "1;31"}
	signMismatch   = sign{"≠", "mismatch", "35"}
	signDenied     = sign{"-", "denied", "2"}
	signBlocked    = sign{"✗", "blocked", "31"}
	signUnpairing  = sign{"~", "unpairing", "33"}
	signUnapproved = sign{"·", "unapproved", "2"}
)

var signs = []sign{signPaired, signApproved, signWaiting, signPretending, signMismatch, signDenied, signBlocked, signUnpairing, signUnapproved}

// trustSign is the one sign of a device. What must not be overlooked comes first: a
// device that is held to pose as another one is shown as that, whatever else it is.
func trustSign(c apiClient) sign {
	switch {
	case c.Blocked:
		return signBlocked
	case c.Warning != "":
		return signPretending
	case c.Trust == "credential_mismatch":
		return signMismatch
	case c.Unpairing:
		return signUnpairing
	case c.Trust == "paired":
		return signPaired
	case c.Trust == "approved":
		return signApproved
	case c.Trust == "denied":
		return signDenied
	case c.Waiting != "":
		return signWaiting
	}
	return signUnapproved
}

// trust is the sign of a device and what goes with it in words.
func trust(c apiClient) string {
	s := trustSign(c)
	out := s.String()
	switch s {
	case signPretending:
		out += " (" + c.Warning + ")"
	case signWaiting:
		if c.Waiting != "new" {
			out += " (" + c.Waiting + ")"
		}
	case signApproved:
		if e := approvalEnd(c.ApprovalEndsAt, c.ApprovalUntilDisconnect); e != "" {
			out += " " + e
		}
	}
	return out
}

// approvalEnd says how long an approval lasts; "" for one without an end.
func approvalEnd(at *time.Time, untilDisconnect bool) string {
	switch {
	case untilDisconnect:
		return "until it disconnects"
	case at != nil:
		return "until " + at.Local().Format("2006-01-02 15:04")
	}
	return ""
}

// coloured reports whether out is a terminal that wants colours (no-color.org).
func coloured(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}
