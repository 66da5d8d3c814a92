module github.com/tutti-audio/tutti/e2e

go 1.26.0

require (
	github.com/flynn/noise v1.1.0
	github.com/mewkiz/flac v1.0.14
	github.com/tutti-audio/tutti/audio v0.0.0
	github.com/tutti-audio/tutti/platform v0.0.0
	github.com/tutti-audio/tutti/sendspin v0.0.0
	github.com/tutti-audio/tutti/services/pairing v0.0.0
	go.yaml.in/yaml/v3 v3.0.6
)

require (
	filippo.io/edwards25519 v1.2.0 // indirect
	github.com/antithesishq/antithesis-sdk-go v0.8.0-default-no-op // indirect
	github.com/dhowden/tag v0.0.0-20240417053706-3d75831295e8 // indirect
	github.com/google/go-tpm v0.9.8 // indirect
	github.com/hajimehoshi/go-mp3 v0.3.4 // indirect
	github.com/icza/bitio v1.1.0 // indirect
	github.com/jackc/pgpassfile v1.0.0 // indirect
	github.com/jackc/pgservicefile v0.0.0-20240606120523-5a60cdf6a761 // indirect
	github.com/jackc/pgx/v5 v5.12.0
	github.com/jonboulle/clockwork v0.5.0 // indirect
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/mewkiz/pkg v0.0.0-20250417130911-3f050ff8c56d // indirect
	github.com/mewpkg/term v0.0.0-20241026122259-37a80af23985 // indirect
	github.com/minio/highwayhash v1.0.4 // indirect
	github.com/nats-io/jwt/v2 v2.8.2 // indirect
	github.com/nats-io/nats-server/v2 v2.15.2 // indirect
	github.com/nats-io/nkeys v0.4.16 // indirect
	github.com/nats-io/nuid v1.0.1 // indirect
	golang.org/x/crypto v0.58.0
	golang.org/x/sys v0.49.0
	golang.org/x/text v0.43.0 // indirect
	golang.org/x/time v0.16.0 // indirect
	nhooyr.io/websocket v1.8.17 // indirect
)

replace (
	github.com/tutti-audio/tutti/audio => ../audio
	github.com/tutti-audio/tutti/cmd/tutti => ../cmd/tutti
	github.com/tutti-audio/tutti/platform => ../platform
	github.com/tutti-audio/tutti/proto => ../proto
	github.com/tutti-audio/tutti/sendspin => ../sendspin
	github.com/tutti-audio/tutti/services/discovery => ../services/discovery
	github.com/tutti-audio/tutti/services/management => ../services/management
	github.com/tutti-audio/tutti/services/pairing => ../services/pairing
	github.com/tutti-audio/tutti/services/session-gateway => ../services/session-gateway
	github.com/tutti-audio/tutti/services/stream => ../services/stream
)

tool github.com/nats-io/nats-server/v2
