package pairing

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Fields that are missing, there when they must not be, or of another length.
func TestMalformedFields(t *testing.T) {
	type change struct {
		name string
		kind kind
		do   func(m wire.Message)
		want error
	}
	resize := func(p *[]byte, d int) {
		*p = append(bytes.Clone(*p), 0)[:len(*p)+d]
	}
	var changes []change
	for _, k := range fourWay {
		for _, f := range fields(t, k) {
			for _, d := range []int{-1, 1, -f.size} {
				want := ErrField
				if f.field == "PAKEMsg1" || f.field == "PAKEMsg2" {
					want = ErrShare
				}
				changes = append(changes, change{fmt.Sprintf("%s%+d", f.name, d), k, func(m wire.Message) {
					if m.Type() == f.message {
						v := reflect.ValueOf(m).Elem().FieldByName(f.field)
						b := v.Bytes()
						resize(&b, d)
						if len(b) == 0 {
							b = nil
						}
						v.SetBytes(b)
					}
				}, want})
			}
		}
	}
	on := func(name string, k kind, do func(m wire.Message)) {
		changes = append(changes, change{name, k, do, ErrField})
	}
	for _, k := range []kind{psk, static} {
		on("commitment", k, func(m wire.Message) {
			if m, ok := m.(*wire.ClientPairInit); ok {
				m.Commit = make([]byte, 32)
			}
		})
	}
	on("wrapped nonce", static, func(m wire.Message) {
		if m, ok := m.(*wire.ClientPairConfirm); ok {
			m.WrappedNonce = make([]byte, WrappedLen)
		}
	})
	on("PSK in clear", digits, func(m wire.Message) {
		if m, ok := m.(*wire.ClientPairFinalize); ok {
			m.LongTermPSK, m.WrappedPSK = make([]byte, 32), nil
		}
	})
	on("both PSKs", static, func(m wire.Message) {
		if m, ok := m.(*wire.ClientPairFinalize); ok {
			m.LongTermPSK = make([]byte, 32)
		}
	})
	on("both PSKs", psk, func(m wire.Message) {
		if m, ok := m.(*wire.ClientPairFinalize); ok {
			m.WrappedPSK = make([]byte, WrappedLen)
		}
	})
	on("wrapped PSK", psk, func(m wire.Message) {
		if m, ok := m.(*wire.ClientPairFinalize); ok {
			m.LongTermPSK, m.WrappedPSK = nil, make([]byte, WrappedLen)
		}
	})
	on("nonce in the second round", digits, func(m wire.Message) {
		if m, ok := m.(*wire.ServerPairInit); ok && m.Nonce == nil {
			m.Nonce = make([]byte, 32)
		}
	})
	for _, c := range changes {
		l := newLink(t, c.kind)
		l.operator = func(round uint32) string {
			if c.name == "nonce in the second round" && round == 1 {
				return l.wrong()
			}
			if c.kind == static {
				return staticDigits
			}
			return l.shown[0]
		}
		l.onWire = func(m wire.Message) wire.Message { c.do(m); return m }
		l.start().run().wantNothingStored()
		checkClosed(t, c.name+" "+c.kind.String(), slices.Concat(l.serverClosed, l.clientClosed), c.want)
	}
}

// lowOrder are points that make every shared secret zero, in several encodings.
var lowOrder = [][]byte{
	make([]byte, 32),
	append([]byte{1}, make([]byte, 31)...),
	{0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
	append(append([]byte{0xed}, bytes.Repeat([]byte{0xff}, 30)...), 0x7f),
	append(append([]byte{0xee}, bytes.Repeat([]byte{0xff}, 30)...), 0xff),
}

func TestLowOrderShares(t *testing.T) {
	for _, k := range []kind{digits, static} {
		for _, point := range lowOrder {
			for _, toServer := range []bool{true, false} {
				l := newLink(t, k)
				l.onWire = func(m wire.Message) wire.Message {
					switch m := m.(type) {
					case *wire.ServerPairAuth:
						if !toServer {
							m.PAKEMsg1 = point
						}
					case *wire.ClientPairAuth:
						if toServer {
							m.PAKEMsg2 = point
						}
					}
					return m
				}
				l.start().run().wantNothingStored()
				closed := l.clientClosed
				if toServer {
					closed = l.serverClosed
				}
				checkClosed(t, k.String(), closed, ErrShare)
			}
		}
	}
}
