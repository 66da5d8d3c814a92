module github.com/tutti-audio/tutti/services/stream

go 1.26.0

require (
	github.com/tutti-audio/tutti/audio v0.0.0
	github.com/tutti-audio/tutti/platform v0.0.0
	github.com/tutti-audio/tutti/proto v0.0.0
	github.com/tutti-audio/tutti/sendspin v0.0.0
)

require (
	github.com/jonboulle/clockwork v0.5.0 // indirect
	github.com/prometheus/client_golang v1.25.0 // indirect
	go.uber.org/goleak v1.3.0 // indirect
)

replace (
	github.com/tutti-audio/tutti/audio => ../../audio
	github.com/tutti-audio/tutti/platform => ../../platform
	github.com/tutti-audio/tutti/proto => ../../proto
	github.com/tutti-audio/tutti/sendspin => ../../sendspin
)
