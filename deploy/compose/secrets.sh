#!/bin/sh
# Writes the secrets that docker-compose.yml mounts, and what NATS allows to whom. Run it
# before the first start and after each upgrade. Existing files are kept: the deployment key
# seals the server's identity, and a new one would lock the old identity away. Only
# nats_auth.conf, which holds no secret, is written anew for this version. Back up this folder.
#
# The keys for NATS are made by tutti itself: deploy/nats/keys.sh says how it is found.
set -eu
here=$(dirname "$0")
"$here/../nats/keys.sh" "$here/secrets/nats"
cd "$here"
umask 077
random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
# put NAME CONTENT...: writes secrets/NAME unless it exists.
put() {
	name=$1
	shift
	[ -s "secrets/$name" ] || printf '%s\n' "$*" >"secrets/$name"
	# The containers' user (65532) must be able to read it; the folder stays closed.
	chmod 644 "secrets/$name"
}
put postgres_password "$(random 24)"
put database_url "postgres://tutti:$(cat secrets/postgres_password)@postgres:5432/tutti?sslmode=disable"
put deployment_key "$(random 32)"
put admin_token "tutti_$(random 24)"
chmod 700 secrets
for service in pairing stream session-gateway discovery management; do
	chmod 644 "secrets/nats/$service.nk"
done
# Written into the same file and not moved over it: the container has this file mounted, and
# must see the new content when it is told to read its configuration again.
cat secrets/nats/auth.conf >secrets/nats_auth.conf
chmod 644 secrets/nats_auth.conf
echo "secrets are in $(pwd)/secrets; the admin token is in secrets/admin_token"
