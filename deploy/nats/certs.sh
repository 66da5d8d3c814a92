#!/bin/sh
# Makes an authority and a certificate for the servers of NATS, in a folder: ca.crt, ca.key,
# tls.crt, tls.key. An authority that is there stays and signs the new certificate: run it again
# before a year is over, and let NATS read it (docs/operations.md). Keep ca.key to yourself.
# cert-manager, or an authority of your own, does as well: the same file names.
#
#   deploy/nats/certs.sh FOLDER [NAME...]      # more names or addresses of your servers
set -eu
dir=${1:?"certs.sh: name the folder of the certificates: certs.sh FOLDER [NAME...]"}
shift
command -v openssl >/dev/null || { echo "certs.sh: openssl is missing" >&2; exit 1; }
umask 077
mkdir -p "$dir"
# What compose and the overlays of deploy/k8s call their servers.
names="DNS:nats,DNS:localhost,IP:127.0.0.1,DNS:nats.tutti.svc"
for node in nats-0 nats-1 nats-2; do # for the services, and for each other
	names="$names,DNS:$node.nats.tutti.svc,DNS:$node.nats"
done
for name in "$@"; do
	case $name in
	*[!0-9.]*) names="$names,DNS:$name" ;;
	*) names="$names,IP:$name" ;;
	esac
done
[ -s "$dir/ca.crt" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
	-subj "/CN=Tutti NATS authority" -keyout "$dir/ca.key" -out "$dir/ca.crt" 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=nats" \
	-keyout "$dir/tls.key" -out "$dir/tls.csr" 2>/dev/null
printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$names" >"$dir/tls.ext"
openssl x509 -req -in "$dir/tls.csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -CAcreateserial -days 398 \
	-extfile "$dir/tls.ext" -out "$dir/tls.crt.new" 2>/dev/null
# Into the same file: a container has it mounted.
cat "$dir/tls.crt.new" >"$dir/tls.crt"
rm "$dir/tls.csr" "$dir/tls.ext" "$dir/tls.crt.new"
# The users of the containers read these; the folder stays closed.
chmod 644 "$dir/ca.crt" "$dir/tls.crt" "$dir/tls.key"
