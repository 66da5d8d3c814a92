package wire

import "slices"

// Pairing methods (section Methods).
const (
	MethodPSK         = "pairing_psk"
	MethodDynamicCode = "dynamic_pairing_code"
	MethodStaticCode  = "static_pairing_code"
)

// Emission formats of the dynamic pairing code.
const (
	FormatDigits = "digits"
	FormatQRCode = "qr_code"
)

// Out-channels of the dynamic pairing code.
const (
	OutDisplay = "display"
	OutSpeaker = "speaker"
)

// Locations where an operator can find a configured secret.
const (
	LocationDevice   = "device"
	LocationLeaflet  = "leaflet"
	LocationOperator = "operator"
)

// PairMethods are the pair-method descriptors of client/hello; nil means that the
// method is not offered.
type PairMethods struct {
	PSK         *SecretMethod
	StaticCode  *SecretMethod
	DynamicCode *DynamicMethod
}

// SecretMethod describes a method with a configured secret.
type SecretMethod struct {
	// Locations is a hint, a subset of the Location constants.
	Locations []string
}

// DynamicMethod describes the dynamic pairing code. After decoding, both lists
// have at least one member.
type DynamicMethod struct {
	// OutChannels is a subset of OutDisplay and OutSpeaker.
	OutChannels []string
	// Formats is a subset of FormatDigits and FormatQRCode.
	Formats []string
}

// Offers reports whether the client offers the method, and the emission format
// where the method has one.
func (p PairMethods) Offers(method, format string) bool {
	switch method {
	case MethodPSK:
		return p.PSK != nil
	case MethodStaticCode:
		return p.StaticCode != nil
	case MethodDynamicCode:
		return p.DynamicCode != nil && slices.Contains(p.DynamicCode.Formats, format)
	}
	return false
}

// MaxPendingMessage is the length in characters to which a server truncates
// ClientPairPending.Message.
const MaxPendingMessage = 200

// ClientPairPending says that the client holds the attempt back.
type ClientPairPending struct {
	// PairingIndex counts pairing activations since the last Noise handshake.
	PairingIndex uint32
	// Message is for the operator, at most [MaxPendingMessage] characters; decoding
	// truncates it. It comes from an unauthenticated peer: show it as plain text.
	Message string
}

// ClientPairInit starts an attempt.
type ClientPairInit struct {
	PairingIndex uint32
	// Commit is commit_B, 32 bytes, in the dynamic flow only; nil otherwise.
	Commit []byte
}

// ServerPairInit begins a round of the dynamic flow.
type ServerPairInit struct {
	// Nonce is nonce_A, 32 bytes, in the first round only; nil otherwise.
	Nonce []byte
}

// ServerPairAuth carries the server's CPace share.
type ServerPairAuth struct {
	// PAKEMsg1 is Ya, 32 bytes.
	PAKEMsg1 []byte
}

// ClientPairAuth carries the client's CPace share.
type ClientPairAuth struct {
	// PAKEMsg2 is Yb, 32 bytes.
	PAKEMsg2 []byte
}

// ServerPairConfirm carries the server's key confirmation.
type ServerPairConfirm struct {
	// ServerKC is Ta, 64 bytes.
	ServerKC []byte
}

// ClientPairRetry asks for another round.
type ClientPairRetry struct{}

// ClientPairConfirm carries the client's key confirmation.
type ClientPairConfirm struct {
	// ClientKC is Tb, 64 bytes.
	ClientKC []byte
	// WrappedNonce is wrapped_nonce_B, 48 bytes, in the dynamic flow only; nil
	// otherwise.
	WrappedNonce []byte
}

// ClientPairFinalize delivers the long-term PSK. Exactly one field is set. The
// type does not print its contents.
type ClientPairFinalize struct {
	// LongTermPSK is 32 bytes, in the Pairing PSK flow only.
	LongTermPSK []byte
	// WrappedPSK is 48 bytes, in the code-based flows only.
	WrappedPSK []byte
}

// String keeps the secret out of logs.
func (*ClientPairFinalize) String() string { return "client/pair-finalize (secret)" }

// GoString keeps the secret out of logs.
func (m *ClientPairFinalize) GoString() string { return m.String() }

// ServerPairFinalize says that the server has stored the pairing record.
type ServerPairFinalize struct{}

// Reasons of [PairAbort].
const (
	AbortAttemptTimeout     = "attempt_timeout"
	AbortConcurrentAttempt  = "concurrent_attempt"
	AbortMethodNotSupported = "method_not_supported"
	AbortCodeMismatch       = "pairing_code_mismatch"
	AbortUserCancelled      = "user_cancelled"
)

// PairAbort ends a pairing attempt. Both sides send it.
type PairAbort struct {
	// Reason is one of the Abort constants. Others are kept as received.
	Reason string
}
