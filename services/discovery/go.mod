module github.com/tutti-audio/tutti/services/discovery

go 1.26.0

require (
	github.com/tutti-audio/tutti/proto v0.0.0
	github.com/tutti-audio/tutti/platform v0.0.0
)

replace (
	github.com/tutti-audio/tutti/proto => ../../proto
	github.com/tutti-audio/tutti/platform => ../../platform
)
