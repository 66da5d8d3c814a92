module github.com/tutti-audio/tutti/sendspin

go 1.26.0

require (
	filippo.io/edwards25519 v1.2.0
	github.com/flynn/noise v1.1.0
	github.com/jonboulle/clockwork v0.5.0
	go.uber.org/goleak v1.3.0
	golang.org/x/crypto v0.58.0
	nhooyr.io/websocket v1.8.17
)

require golang.org/x/sys v0.49.0 // indirect
