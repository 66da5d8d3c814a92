module github.com/tutti-audio/tutti/services/session-gateway

go 1.26.0

require (
	github.com/tutti-audio/tutti/proto v0.0.0
	github.com/tutti-audio/tutti/platform v0.0.0
	github.com/tutti-audio/tutti/sendspin v0.0.0
)

replace (
	github.com/tutti-audio/tutti/proto => ../../proto
	github.com/tutti-audio/tutti/platform => ../../platform
	github.com/tutti-audio/tutti/sendspin => ../../sendspin
)
