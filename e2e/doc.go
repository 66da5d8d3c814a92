// Package e2e tests Tutti from outside: the real binary, real processes, real
// sockets, with the operator API as the only way in.
//
// Every test that plays music runs twice: on `tutti serve` with its embedded
// parts, and as five processes on an external NATS server and PostgreSQL.
package e2e
