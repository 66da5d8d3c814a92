#!/bin/sh
# Makes what is missing in FOLDER, a key for NATS for each service, and writes auth.conf for
# this version beside them (`tutti nats-config`). Keys that are there stay.
#
#   deploy/nats/keys.sh FOLDER
#
# The program that does it is the first that is there: the one that TUTTI names; the image of
# docker-compose.yml, where Docker answers; this checkout, where Go is; tutti in PATH. The one
# in PATH comes last, as it may be of another version than what will run.
set -eu
exec >&2 # stdout belongs to the script that calls this one
out=${1:?"keys.sh: name the folder of the keys: keys.sh FOLDER"}
umask 077
mkdir -p "$out"
out=$(cd "$out" && pwd)
root=$(cd "$(dirname "$0")/../.." && pwd)
if [ -n "${TUTTI:-}" ]; then
	"$TUTTI" nats-config --out "$out"
elif docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; then
	# Who runs this must own what the container writes. Where Docker runs without root, that
	# is the container's root.
	user=$(id -u):$(id -g)
	case $(docker info --format '{{.SecurityOptions}}') in *rootless*) user=0:0 ;; esac
	(cd "$root" && docker compose run --rm -T --user "$user" --volume "$out:/keys" nats-keys)
elif command -v go >/dev/null; then
	(cd "$root" && go run ./cmd/tutti nats-config --out "$out")
elif command -v tutti >/dev/null; then
	tutti nats-config --out "$out"
else
	echo "keys.sh: nothing here can make the keys for NATS: Docker does not answer (is it started, and may this user use it?), and neither go nor tutti is in PATH. Name a tutti of this version: TUTTI=/path/to/tutti, and run the script again."
	exit 1
fi
echo "keys for NATS are in $out"
