#!/bin/sh
# Prints a Secret for each service with its key for NATS, and the ConfigMap with what NATS
# allows to whom. Run it before the first start and after each upgrade, with the same folder:
# keys that are there stay, and the ConfigMap is the one of this version.
#
#   deploy/k8s/nats-keys.sh FOLDER | kubectl apply -f -
#
# The folder holds the seeds: keep it where secret.sh's output is, outside of this
# repository. The keys of the tools (tools.nk, admin.nk) stay there. If the folder is lost, a
# new one is made, and then NATS and all services are restarted.
#
# The keys are made by tutti itself: deploy/nats/keys.sh says how it is found.
set -eu
dir=${1:?"nats-keys.sh: name the folder of the keys: nats-keys.sh FOLDER"}
"$(dirname "$0")/../nats/keys.sh" "$dir"
for service in pairing stream session-gateway discovery management; do
	cat <<YAML
apiVersion: v1
kind: Secret
metadata:
  name: nats-$service
  namespace: tutti
type: Opaque
stringData:
  $service.nk: "$(cat "$dir/$service.nk")"
---
YAML
done
cat <<YAML
apiVersion: v1
kind: ConfigMap
metadata:
  name: nats-auth
  namespace: tutti
data:
  auth.conf: |
YAML
sed 's/^/    /' "$dir/auth.conf"
