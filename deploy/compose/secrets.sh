#!/bin/sh
# Writes the secrets that docker-compose.yml mounts, once. Existing files are
# kept: the deployment key seals the server's identity, and a new one would
# lock the old identity away. Back up this folder.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
# put NAME CONTENT...: writes secrets/NAME unless it exists.
put() {
	name=$1
	shift
	[ -s "secrets/$name" ] || printf '%s\n' "$*" >"secrets/$name"
	# The containers' user (65532) must be able to read it; the folder stays closed.
	chmod 644 "secrets/$name"
}
put nats_password "$(random 24)"
put postgres_password "$(random 24)"
nats=$(cat secrets/nats_password)
put nats_auth "user: tutti, password: \"$nats\""
put nats_url "nats://tutti:$nats@nats:4222"
put nats_url_host "nats://tutti:$nats@127.0.0.1:4222"
put database_url "postgres://tutti:$(cat secrets/postgres_password)@postgres:5432/tutti?sslmode=disable"
put deployment_key "$(random 32)"
put admin_token "tutti_$(random 24)"
chmod 700 secrets
echo "secrets are in $(pwd)/secrets; the admin token is in secrets/admin_token"
