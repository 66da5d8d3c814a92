#!/bin/sh
# Prints the Secret that the manifests read, with fresh random values.
#
#   deploy/k8s/secret.sh single-node            | kubectl apply -f -
#   deploy/k8s/secret.sh venue POSTGRES_URL     | kubectl apply -f -
#   deploy/k8s/secret.sh chain POSTGRES_URL CHAIN_URL | kubectl apply -f -
#
# Run it once and keep the output somewhere safe: the deployment key seals the
# server's identity, and a new key cannot open the old identity. The keys for NATS are
# apart, as they are looked at again at each upgrade: nats-keys.sh.
set -eu
random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
kind=${1:-}
chain=
pg=$(random 24)
case $kind in
single-node) url="postgres://tutti:$pg@postgres.tutti.svc:5432/tutti?sslmode=disable" ;;
venue) url=${2:?"secret.sh: venue needs the URL of your PostgreSQL: secret.sh venue postgres://user:password@host:5432/tutti"} ;;
chain)
	url=${2:?"secret.sh: chain needs the URL of your PostgreSQL, then that of the chain"}
	chain=${3:?"secret.sh: chain needs the URL of the chain's NATS: secret.sh chain POSTGRES_URL nats-leaf://venue:password@chain.example:7422"}
	;;
*)
	echo "secret.sh: say which overlay: single-node, venue POSTGRES_URL, or chain POSTGRES_URL CHAIN_URL" >&2
	exit 2
	;;
esac
cat <<YAML
apiVersion: v1
kind: Secret
metadata:
  name: tutti
  namespace: tutti
type: Opaque
stringData:
  postgres-password: "$pg"
  database-url: "$url"
  deployment-key: "$(random 32)"
  admin-token: "tutti_$(random 24)"
YAML
# Between the nodes of NATS. It begins with a letter: NATS reads the variable as a piece of its
# configuration, and digits with an e among them would be a number.
[ "$kind" = single-node ] || printf '  route-password: "route_%s"\n' "$(random 24)"
# In quotes of its own: NATS reads the variable as a piece of its configuration.
[ "$kind" != chain ] || printf '  chain-url: '"'"'"%s"'"'"'\n' "$chain"
