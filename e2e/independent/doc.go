// Package independent holds a second reading of the Sendspin specification: a
// minimal device written from the text alone (RFC 6455 framing by hand,
// flynn/noise, encoding/json maps) that imports nothing of the sendspin module,
// and checks of a running server as an outsider would make them. Where both
// readings agree, a mistake has to have been made twice.
//
// The referee of a device (referee_test.go) judges every message that a server
// sends; the tests only steer.
package independent
