package api

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/pairing"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// pairingSecret checks what a request to pair brings along and returns the secret
// that goes with the method; "" for the dynamic code, which is sent later. No error
// repeats any of it.
func pairingSecret(clientID string, b startPairingBody) (string, error) {
	if b.Format != "" && b.Method != wire.MethodDynamicCode {
		return "", badField("body.format", "goes with the method dynamic_pairing_code only")
	}
	if b.Token != "" && b.Method != wire.MethodPSK {
		return "", badField("body.token", "goes with the method pairing_psk only")
	}
	if b.Code != "" && b.Method != wire.MethodStaticCode {
		return "", badField("body.code", "goes with the method static_pairing_code only; a dynamic code is sent to …/pairing/code when the device shows it")
	}
	switch b.Method {
	case wire.MethodPSK:
		return b.Token, tokenProblem(b.Token, clientID)
	case wire.MethodStaticCode:
		return b.Code, codeProblem("body.code", b.Code, pairing.StaticLen)
	}
	return "", nil
}

func tokenProblem(token, clientID string) error {
	const where = "body.token"
	if strings.TrimSpace(token) == "" {
		return badField(where, "is required with the method pairing_psk")
	}
	key, err := noise.ParsePublicKey(clientID)
	if err != nil {
		return badField("path.client_id", "is no key of a device")
	}
	psk, err := pairing.ParsePSKToken(token, key)
	psk.Wipe()
	if err != nil {
		return badField(where, "cannot be used: "+plainReason(err))
	}
	return nil
}

// codeProblem checks the form of a code of n digits, or with 0 of a scanned one; its
// value is for the pairing service to judge.
func codeProblem(where, code string, n int) error {
	want := fmt.Sprintf("%d digits are expected, with separators or without", n)
	if n == 0 {
		want = "the text of the QR code that the device shows is expected (SP:1…)"
	}
	if strings.TrimSpace(code) == "" {
		return badField(where, "is empty: "+want)
	}
	var c pairing.Code
	var err error
	if n == 0 {
		c, err = pairing.ParseQR(code)
	} else {
		c, err = pairing.ParseDigits(code, n)
	}
	c.Wipe()
	if err != nil {
		return badField(where, plainReason(err)+"; "+want)
	}
	return nil
}

// plainReason is the last and plainest part of an error of the protocol library.
func plainReason(err error) string {
	for _, known := range []error{pairing.ErrTokenClient, pairing.ErrCodeDigits} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return strings.ReplaceAll(err.Error(), "pairtoken: ", "")
}
