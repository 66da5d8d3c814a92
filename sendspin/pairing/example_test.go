package pairing_test

import (
	"fmt"
	"time"

	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/pairing"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// A server and a device pair with six digits. The slices stand for the connection, the
// variable display for what a person reads and types.
func Example() {
	session := pairing.Session{
		Hash:    [32]byte{1, 2, 3}, // of the Noise handshake
		Suite:   noise.ChaChaPoly,
		Matched: noise.Sentinel,
		Index:   1,
	}
	offers := wire.PairMethods{
		PSK:         &wire.SecretMethod{},
		DynamicCode: &wire.DynamicMethod{OutChannels: []string{wire.OutDisplay}, Formats: []string{wire.FormatDigits}},
	}
	server, err := pairing.NewServerFlow(pairing.ServerConfig{
		Session: session, Method: wire.MethodDynamicCode, Format: wire.FormatDigits, Offers: offers,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	// The server sends server/activate with server.Activation(), the device gets it.
	client, err := pairing.NewClientFlow(pairing.ClientConfig{
		Session: session, Method: wire.MethodDynamicCode, Format: wire.FormatDigits, Offers: offers,
		Rounds: &pairing.Rounds{},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	var display string
	var serverPSK, clientPSK noise.PSK
	serverDoes, clientDoes := []pairing.Effect(nil), client.Start(time.Now())
	for len(serverDoes)+len(clientDoes) > 0 {
		var next []pairing.Effect
		for _, e := range clientDoes {
			switch e := e.(type) {
			case pairing.Send:
				fmt.Println("device:", e.Message.Type())
				next = append(next, server.Receive(e.Message)...)
			case pairing.ShowCode:
				display = e.Code.Text()
			case pairing.Paired:
				clientPSK = e.PSK
			}
		}
		clientDoes = nil
		for _, e := range append(serverDoes, next...) {
			switch e := e.(type) {
			case pairing.Send:
				fmt.Println("server:", e.Message.Type())
				clientDoes = append(clientDoes, client.Receive(e.Message)...)
			case pairing.AskCode:
				fmt.Println("person: types what is on the display")
			case pairing.Verified:
				serverPSK = e.PSK // store it, then:
			}
		}
		serverDoes = nil
		switch server.State() {
		case pairing.ServerNeedsCode:
			serverDoes, _ = server.EnterCode(display)
		case pairing.ServerStoring:
			serverDoes = server.Stored()
		}
	}
	fmt.Println("same secret:", serverPSK.Equal(clientPSK))
	// Output:
	// device: client/pair-init
	// server: server/pair-init
	// person: types what is on the display
	// server: server/pair-auth
	// device: client/pair-auth
	// server: server/pair-confirm
	// device: client/pair-confirm
	// device: client/pair-finalize
	// server: server/pair-finalize
	// same secret: true
}
