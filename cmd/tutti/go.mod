module github.com/tutti-audio/tutti/cmd/tutti

go 1.26.0

require (
	github.com/tutti-audio/tutti/audio v0.0.0
	github.com/tutti-audio/tutti/platform v0.0.0
	github.com/tutti-audio/tutti/proto v0.0.0
	github.com/tutti-audio/tutti/sendspin v0.0.0
	github.com/tutti-audio/tutti/services/discovery v0.0.0
	github.com/tutti-audio/tutti/services/management v0.0.0
	github.com/tutti-audio/tutti/services/pairing v0.0.0
	github.com/tutti-audio/tutti/services/session-gateway v0.0.0
	github.com/tutti-audio/tutti/services/stream v0.0.0
)

require (
	github.com/cenkalti/backoff v2.2.1+incompatible // indirect
	github.com/grandcat/zeroconf v1.0.0 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/miekg/dns v1.1.27 // indirect
	github.com/spf13/cobra v1.10.2 // indirect
	github.com/spf13/pflag v1.0.10 // indirect
	go.uber.org/goleak v1.3.0 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/net v0.60.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace (
	github.com/tutti-audio/tutti/audio => ../../audio
	github.com/tutti-audio/tutti/platform => ../../platform
	github.com/tutti-audio/tutti/proto => ../../proto
	github.com/tutti-audio/tutti/sendspin => ../../sendspin
	github.com/tutti-audio/tutti/services/discovery => ../../services/discovery
	github.com/tutti-audio/tutti/services/management => ../../services/management
	github.com/tutti-audio/tutti/services/pairing => ../../services/pairing
	github.com/tutti-audio/tutti/services/session-gateway => ../../services/session-gateway
	github.com/tutti-audio/tutti/services/stream => ../../services/stream
)
