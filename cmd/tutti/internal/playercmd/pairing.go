package playercmd

import (
	"fmt"
	"strings"

	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/pairing"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Values of --pairing.
const (
	pairDynamic = "dynamic"
	pairStatic  = "static"
	pairNone    = "none"
)

// pairingConfig is the client's side of --pairing and --static-code.
func pairingConfig(p plan, hold string) client.PairingConfig {
	cfg := client.PairingConfig{HoldMessage: hold, PSKLocations: []string{wire.LocationOperator}}
	switch p.Pairing {
	case pairStatic:
		cfg.StaticCode, cfg.StaticCodeLocations = p.code, []string{wire.LocationOperator}
	case pairDynamic:
		cfg.DynamicCode = &wire.DynamicMethod{
			OutChannels: []string{wire.OutDisplay}, Formats: []string{wire.FormatDigits, wire.FormatQRCode},
		}
	}
	return cfg
}

// pairingMethod settles which code the player pairs with.
func (p *plan) pairingMethod() (err error) {
	switch p.Pairing {
	case "":
		p.Pairing = pairDynamic
		if p.StaticCode != "" {
			p.Pairing = pairStatic
		}
	case pairDynamic, pairStatic, pairNone:
	default:
		return usage("--pairing %q: choose dynamic, static or none", p.Pairing)
	}
	if (p.Pairing == pairStatic) != (p.StaticCode != "") {
		if p.StaticCode == "" {
			return usage("--pairing static needs the code: give --static-code and 8 digits")
		}
		return usage("--static-code goes with --pairing static, not %s", p.Pairing)
	}
	if p.StaticCode == "" {
		return nil
	}
	if p.code, err = pairing.ParseDigits(p.StaticCode, pairing.StaticLen); err != nil {
		return usage("--static-code wants 8 digits")
	}
	return nil
}

// pairingView is what the panel shows; the zero value shows nothing.
type pairingView struct {
	server, code, token string
	round               uint32
}

// pairing acts on what the client tells of pairing, and reports it. ok is false for
// other events.
func (l *loop) pairing(e client.Event) (ok bool, err error) {
	switch e := e.(type) {
	case client.Rekeyed:
		return true, l.rep.event("rekeyed", fields{"server_id": e.ServerID, "paired": e.Paired, "category": string(e.Category)})
	case client.PairingRefused:
		return true, l.tellPairing("pairing_refused", e.ServerID, fields{"method": e.Method, "format": e.Format, "reason": e.Reason})
	case client.PairingHeld:
		return true, l.tellPairing("pairing_held", e.ServerID, fields{"method": e.Method, "format": e.Format, "message": e.Message})
	case client.PairingStarted:
		return true, l.tellPairing("pairing_started", e.ServerID, fields{"method": e.Method, "format": e.Format})
	case client.PairingCode:
		return true, l.showCode(e)
	case client.PairingEnded:
		l.rep.panel(pairingView{})
		f := fields{"method": e.Method, "outcome": strings.ReplaceAll(e.Outcome.String(), " ", "_"), "reason": e.Reason}
		if e.Err != nil {
			f["error"] = e.Err.Error()
		}
		return true, l.tellPairing("pairing_ended", e.ServerID, f)
	case client.Paired:
		return true, l.tellPairing("paired", e.ServerID, fields{})
	case client.Unpaired:
		return true, l.tellPairing("unpaired", e.ServerID, fields{})
	case client.PairingWindow:
		return true, l.rep.event("pairing_window", fields{"open": e.Open, "for_ms": e.For.Milliseconds()})
	case client.OutputSuspended:
		return true, l.deck.Suspend(e.Suspended)
	case client.RosterStored:
		return true, l.tellPairing("roster", e.ServerID, fields{"server_ids": list(e.ServerIDs)})
	case client.RosterRefused:
		return true, l.tellPairing("roster_refused", e.ServerID, fields{"error": e.Err.Error()})
	case client.Succeeded:
		return true, l.tellPairing("succeeded", e.ServerID, fields{"predecessor": e.Predecessor})
	}
	return false, nil
}

// tellPairing reports an event about a server, by its id and its name.
func (l *loop) tellPairing(name, serverID string, f fields) error {
	f["server_id"], f["server"] = serverID, l.names[serverID]
	return l.rep.event(name, f)
}

// showCode puts the code where the operator sees it.
func (l *loop) showCode(e client.PairingCode) error {
	v := pairingView{server: l.serverName(e.ServerID), round: e.Round}
	f := fields{"round": e.Round}
	if e.Code.IsQR() {
		v.token = e.Code.Text()
		f["token"] = v.token
	} else {
		v.code = e.Code.Text()
		f["code"] = v.code
	}
	e.Code.Wipe()
	l.rep.panel(v)
	return l.tellPairing("pairing_code", e.ServerID, f)
}

// serverName is the server's name, made fit for a line.
func (l *loop) serverName(id string) string {
	name := []rune(strings.Map(printable, l.names[id]))
	if len(name) == 0 {
		return "the server"
	}
	return string(name[:min(len(name), 30)])
}

// press acts on a key.
func (l *loop) press(key byte) error {
	c := l.client()
	switch key {
	case keyAllow:
		if err := c.OpenPairingWindow(); err != nil { // no static code: the gesture is for the dynamic one
			return c.ResetRounds()
		}
	case keyCancel:
		return c.CancelPairing()
	case keyQuit:
		l.quit()
	}
	return nil
}

// pairingSentence words an event about pairing for people.
func pairingSentence(name string, f fields) string {
	server := f["server"]
	if server == nil || server == "" {
		server = "the server"
	}
	switch name {
	case "pairing_held":
		return fmt.Sprintf("%v wants to pair: to let it, %v", server, f["message"])
	case "pairing_started":
		if f["method"] == wire.MethodStaticCode {
			return fmt.Sprintf("pairing with %v: enter this player's static code there", server)
		}
		return fmt.Sprintf("pairing with %v", server)
	case "pairing_code":
		if f["round"] != uint32(1) {
			return "a wrong code was entered: try again"
		}
	case "pairing_ended":
		return pairingEnd(server, f)
	case "pairing_refused":
		if f["reason"] == wire.AbortConcurrentAttempt {
			return fmt.Sprintf("%v wants to pair, but another server is doing so: try again later", server)
		}
		return fmt.Sprintf("%v wants to pair by a method that this player does not offer (%v)", server, f["method"])
	case "paired":
		return fmt.Sprintf("paired with %v", server)
	case "unpaired":
		return fmt.Sprintf("%v removed its pairing", server)
	case "pairing_window":
		if f["open"] == true {
			return "a server may pair with this player for the next 5 minutes"
		}
		return "no server may pair any more"
	case "roster":
		return fmt.Sprintf("%v named its successors", server)
	case "roster_refused":
		return fmt.Sprintf("%v named successors that this player does not accept: %v", server, f["error"])
	case "succeeded":
		return fmt.Sprintf("%v has taken over from the server that this player was paired with", server)
	}
	return ""
}

// pairingEnd says how an attempt ended, in terms of what to do.
func pairingEnd(server any, f fields) string {
	switch f["reason"] {
	case wire.AbortCodeMismatch:
		return "the pairing failed: a wrong code was entered"
	case wire.AbortAttemptTimeout:
		return "the pairing took too long: start it again at the server"
	case wire.AbortUserCancelled:
		if f["outcome"] == "aborted_here" {
			return "the pairing was cancelled"
		}
		return fmt.Sprintf("the pairing was cancelled at %v", server)
	case wire.AbortConcurrentAttempt:
		return fmt.Sprintf("the pairing with %v gave way to another server", server)
	}
	if f["outcome"] == "success" {
		return "" // "paired with" has said it
	}
	if f["error"] != nil {
		return fmt.Sprintf("the pairing failed: %v", f["error"])
	}
	return fmt.Sprintf("%v gave the pairing up", server)
}
