// Package deploy holds what runs Tutti elsewhere than in a terminal: the
// Kubernetes manifests under k8s/, the files that docker-compose.yml mounts,
// and the tests that keep both honest (strict decoding against the Kubernetes
// API types, loading through the compose library).
package deploy
