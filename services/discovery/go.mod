module github.com/tutti-audio/tutti/services/discovery

go 1.26.0

require (
	github.com/tutti-audio/tutti/platform v0.0.0
	github.com/tutti-audio/tutti/proto v0.0.0
)

require (
	github.com/cenkalti/backoff v2.2.1+incompatible // indirect
	github.com/grandcat/zeroconf v1.0.0 // indirect
	github.com/jonboulle/clockwork v0.5.0 // indirect
	github.com/miekg/dns v1.1.73 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/net v0.60.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace (
	github.com/tutti-audio/tutti/platform => ../../platform
	github.com/tutti-audio/tutti/proto => ../../proto
)
