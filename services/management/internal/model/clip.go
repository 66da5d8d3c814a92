package model

import "time"

// Clip is audio that was sent in to be announced.
type Clip struct {
	URI       string    `json:"uri" doc:"What to announce." example:"clip:mfrggzdfmztwq2lknnwg23tp"`
	Size      int64     `json:"size" doc:"Bytes." example:"48211"`
	ExpiresAt time.Time `json:"expires_at" doc:"When it is forgotten."`
}
