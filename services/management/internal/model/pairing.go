package model

import "time"

// States of Pairing.State.
const (
	PairingConnecting   = "connecting"
	PairingPending      = "pending"
	PairingAwaitingCode = "awaiting_code"
	PairingVerifying    = "verifying"
	PairingPaired       = "paired"
	PairingFailed       = "failed"
	PairingCancelled    = "cancelled"
)

// Pairing is the newest attempt to pair a client. It stays after its end.
type Pairing struct {
	ClientID   string     `json:"client_id" example:"gH2Lr3xgBN2ZtsJMtTLZ8Xr8mZb6cLZ9kq0p6Y3Wm1A"`
	AttemptID  string     `json:"attempt_id,omitempty" doc:"Tells this attempt from the one before."`
	State      string     `json:"state" enum:"connecting,pending,awaiting_code,verifying,paired,failed,cancelled" doc:"pending: the device holds the attempt back, and message is what it says. awaiting_code: send the code. paired, failed and cancelled are ends." example:"awaiting_code"`
	Method     string     `json:"method" doc:"pairing_psk, dynamic_pairing_code or static_pairing_code." example:"dynamic_pairing_code"`
	Format     string     `json:"format,omitempty" doc:"How the device shows a dynamic code: digits or qr_code." example:"digits"`
	Round      uint32     `json:"round" doc:"1 while the first code is tried, and one more after each wrong code; 0 before." example:"1"`
	CodeLength uint32     `json:"code_length,omitempty" doc:"Digits that the code has; absent for a QR code and a token." example:"6"`
	Message    string     `json:"message,omitempty" doc:"While pending: the device's own words, plain text of at most 200 characters. Show them as the device's, never as yours." example:"Press the button on the back"`
	Reason     string     `json:"reason,omitempty" doc:"Why it failed or was cancelled, as a word: pairing_code_mismatch, attempt_timeout, method_not_supported, concurrent_attempt, user_cancelled (at the device), cancelled (by an operator), server_timeout, protocol_error, disconnected, not_connected, interrupted, storage_failed or device_aborted (for a reason that this server does not know)." example:"attempt_timeout"`
	Detail     string     `json:"detail,omitempty" doc:"The same as a sentence, with the next step."`
	StartedAt  time.Time  `json:"started_at"`
	ExpiresAt  *time.Time `json:"expires_at,omitempty" doc:"When the present wait ends, and the attempt with it. Of one that is over: when it would have."`
	Actor      string     `json:"actor" doc:"Who started it." example:"token:admin"`
}

// Ended reports whether the attempt is over.
func (p *Pairing) Ended() bool {
	return p.State == PairingPaired || p.State == PairingFailed || p.State == PairingCancelled
}

// Enrolment is a pairing token that waits for its device, or did.
type Enrolment struct {
	ClientID    string     `json:"client_id" doc:"The device's key, as the token names it." example:"gH2Lr3xgBN2ZtsJMtTLZ8Xr8mZb6cLZ9kq0p6Y3Wm1A"`
	Fingerprint string     `json:"fingerprint,omitempty" doc:"The key in a short, speakable form."`
	Name        string     `json:"name,omitempty" doc:"The label or name of the device, once it was seen."`
	State       string     `json:"state" enum:"waiting,pairing,paired,failed" doc:"waiting: the device was not seen yet. failed: detail says why; it is tried again while the device is there." example:"waiting"`
	Detail      string     `json:"detail,omitempty"`
	Attempts    uint32     `json:"attempts" doc:"How often pairing was tried."`
	Actor       string     `json:"actor" doc:"Who added it." example:"token:admin"`
	AddedAt     time.Time  `json:"added_at"`
	UpdatedAt   *time.Time `json:"updated_at,omitempty"`
}

// Enrolments is what GET /api/v1/pairing/tokens returns.
type Enrolments struct {
	Tokens []Enrolment `json:"tokens" nullable:"false" doc:"In the order of adding, without their secrets."`
}

// EnrolResult says what became of one token of a request.
type EnrolResult struct {
	Index    int    `json:"index" doc:"Place in the request, from 0."`
	ClientID string `json:"client_id,omitempty" doc:"The device's key; absent when the token could not be read."`
	State    string `json:"state" enum:"waiting,already_paired,duplicate,invalid" doc:"duplicate: it waits already, or stands twice in the request." example:"waiting"`
	Error    string `json:"error,omitempty" doc:"Why an invalid token cannot be read; never repeats it."`
}

// EnrolResults is what POST /api/v1/pairing/tokens returns.
type EnrolResults struct {
	Results []EnrolResult `json:"results" nullable:"false" doc:"One for each token, in the request's order."`
}
