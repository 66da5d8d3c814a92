module github.com/tutti-audio/tutti/services/management

go 1.26.0

require (
	github.com/tutti-audio/tutti/platform v0.0.0
	github.com/tutti-audio/tutti/proto v0.0.0
)

require (
	github.com/danielgtaylor/huma/v2 v2.37.2 // indirect
	github.com/jonboulle/clockwork v0.5.0 // indirect
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/nats-io/nats.go v1.55.0 // indirect
	github.com/nats-io/nkeys v0.4.16 // indirect
	github.com/nats-io/nuid v1.0.1 // indirect
	github.com/prometheus/client_golang v1.25.0 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace (
	github.com/tutti-audio/tutti/platform => ../../platform
	github.com/tutti-audio/tutti/proto => ../../proto
)
