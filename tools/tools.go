// Package tools pins the commands that the Makefile runs (go tool directives
// in go.mod); it holds no code of its own.
package tools
