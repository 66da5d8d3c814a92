package ctlcmd

import (
	"fmt"
	"slices"
	"strings"
)

// Methods and formats of pairing, as the API names them.
const (
	methodToken   = "pairing_psk"
	methodDynamic = "dynamic_pairing_code"
	methodStatic  = "static_pairing_code"
	formatDigits  = "digits"
	formatQR      = "qr_code"
)

// Digits of the codes (section Pairing Code Presentation); the attempt says its own.
const (
	dynamicDigits = 6
	staticDigits  = 8
)

func parseMethod(s string) (string, error) {
	switch strings.ToLower(s) {
	case "":
		return "", nil
	case "token", "psk", methodToken:
		return methodToken, nil
	case "code", "dynamic", methodDynamic:
		return methodDynamic, nil
	case "static", methodStatic:
		return methodStatic, nil
	}
	return "", usagef("--method %q is none of dynamic (a code that the device shows or says), static (a code on a label), token", s)
}

func parseFormat(s string) (string, error) {
	switch strings.ToLower(s) {
	case "":
		return "", nil
	case formatDigits:
		return formatDigits, nil
	case "qr", formatQR:
		return formatQR, nil
	}
	return "", usagef("--format %q is neither digits nor qr", s)
}

// methodWords says what a method asks of a person.
func methodWords(m apiPairMethod) string {
	switch m.Method {
	case methodDynamic:
		how := "shows"
		if len(m.OutChannels) > 0 && !slices.Contains(m.OutChannels, "display") {
			how = "says"
		}
		if slices.Contains(m.Formats, formatQR) && !slices.Contains(m.Formats, formatDigits) {
			return "a QR code that it shows"
		}
		return "a code that it " + how
	case methodStatic:
		return "a code " + where(m.Locations)
	case methodToken:
		return "a pairing token " + where(m.Locations)
	}
	return m.Method
}

func where(locations []string) string {
	words := map[string]string{"device": "on the device", "leaflet": "in its leaflet", "operator": "that you were given or set"}
	var out []string
	for _, l := range locations {
		if w := words[l]; w != "" {
			out = append(out, w)
		}
	}
	if len(out) == 0 {
		return "on the device or in its leaflet"
	}
	return strings.Join(out, " or ")
}

// failure says why an attempt ended without success, and what to do next. Of what can
// have many causes the server's own sentence is the better one.
func failure(name, word string, p apiPairing) string {
	again := fmt.Sprintf("'tutti pair %s'", word)
	switch p.Reason {
	case "server_timeout", "protocol_error", "disconnected", "not_connected":
		if p.Detail != "" {
			return fmt.Sprintf("%s (%s)", clean(p.Detail), again)
		}
	}
	switch p.Reason {
	case "pairing_code_mismatch":
		return fmt.Sprintf("%s ended it because the codes did not agree: a digit was wrong too often, or somebody sits between you and the device; start again with %s and enter what the device itself shows", name, again)
	case "attempt_timeout":
		return fmt.Sprintf("%s waited too long for the code and gave up; start again with %s, with the device in sight", name, again)
	case "method_not_supported":
		return fmt.Sprintf("%s does not offer this way of pairing now; 'tutti clients %s' shows which it offers, --method chooses one", name, word)
	case "concurrent_attempt":
		return fmt.Sprintf("%s is being paired by somebody else at this moment; wait until that is over, then start again with %s", name, again)
	case "user_cancelled":
		return fmt.Sprintf("somebody cancelled it at %s; if that was a mistake, start again with %s", name, again)
	case "cancelled":
		return fmt.Sprintf("an operator cancelled it ('tutti audit' shows who); start again with %s", again)
	case "server_timeout":
		return fmt.Sprintf("%s did not answer in time; look whether it is switched on and near its network, then start again with %s", name, again)
	case "protocol_error":
		return fmt.Sprintf("%s sent something that the protocol does not allow, so its session was ended; start again with %s, and update the device if it happens again", name, again)
	case "disconnected":
		return fmt.Sprintf("the connection to %s was lost, and nothing was changed; start again with %s when 'tutti clients' shows it connected", name, again)
	case "not_connected":
		return fmt.Sprintf("%s is not connected; switch it on, look for it in 'tutti clients' (and 'tutti doctor'), then start again with %s", name, again)
	case "interrupted":
		return fmt.Sprintf("the server was restarted in the middle of it; start again with %s, which also mends what is half done", again)
	case "storage_failed":
		return fmt.Sprintf("the server could not store the pairing; its log says why (database away, disk full); then start again with %s", again)
	}
	if p.Detail != "" {
		return clean(p.Detail)
	}
	return fmt.Sprintf("%s (%s); start again with %s", p.State, dash(p.Reason), again)
}

// quoted is a word as a shell takes it.
func quoted(s string) string {
	s = clean(s)
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune(plainShell, r) }) {
		return s
	}
	return "\"" + strings.NewReplacer(`"`, "", "'", "", "`", "", "$", "", `\`, "").Replace(s) + "\""
}

const plainShell = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

// stateLine says where an attempt stands; "" for a state that is told otherwise.
func stateLine(name string, p apiPairing) string {
	switch p.State {
	case "connecting":
		return "asking " + name + " to pair …"
	case "pending":
		if p.Message != "" {
			// The device's words are shown as the device's: it may say anything.
			return fmt.Sprintf("%s holds the attempt back. The device says: “%s”", name, clean(p.Message))
		}
		return name + " holds the attempt back: look whether it asks for something, such as a key press"
	case "awaiting_code":
		if p.Round > 1 {
			return fmt.Sprintf("that code was wrong; round %d: enter it again", p.Round)
		}
		return ""
	case "verifying":
		return "checking the code with " + name + " …"
	}
	return ""
}
