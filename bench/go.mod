module github.com/tutti-audio/tutti/bench

go 1.26.0

require (
	github.com/tutti-audio/tutti/audio v0.0.0
	github.com/tutti-audio/tutti/platform v0.0.0
	github.com/tutti-audio/tutti/proto v0.0.0
	github.com/tutti-audio/tutti/sendspin v0.0.0
	github.com/tutti-audio/tutti/services/session-gateway v0.0.0
)

require golang.org/x/crypto v0.58.0 // indirect

replace (
	github.com/tutti-audio/tutti/audio => ../audio
	github.com/tutti-audio/tutti/platform => ../platform
	github.com/tutti-audio/tutti/proto => ../proto
	github.com/tutti-audio/tutti/sendspin => ../sendspin
	github.com/tutti-audio/tutti/services/session-gateway => ../services/session-gateway
)
