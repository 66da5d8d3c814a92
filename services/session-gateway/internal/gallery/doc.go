// Package gallery decides what a session sends to a display: which image is announced on
// which channel and when, the parts of it, and what is cancelled or cleared. Like package
// pump it is a pure state machine on bytes and microseconds of the house clock; the
// session's writer owns it and does the sending, after audio and everything else.
//
// It knows the display's state as the display itself keeps it (section Artwork (Binary)):
// per channel the image that is shown and at most one that is pending, and one transfer in
// flight for all channels together. From that and from what should be shown it derives the
// next message, so that a late join, a change of the queue and a change of the channels'
// configuration are no special cases.
//
// # Pace
//
// Parts are small, and the next ones wait until the display's end of the connection has
// answered a ping that was sent behind the last ones: what is on its way to a display is
// never more than a window, however slow the link and however large the buffers on the
// way. A rate limits what a fast link takes.
package gallery
