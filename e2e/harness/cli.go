package harness

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"time"
)

// CLI runs one command of the binary against the server, as an admin at a terminal
// would, and returns what it prints on both outputs.
func (s *Server) CLI(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.bin, args...)
	cmd.Env = s.CLIEnv()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// CLIEnv is the environment in which the binary speaks to this server.
func (s *Server) CLIEnv() []string {
	return append(os.Environ(), "TUTTI_SERVER="+s.Base, "TUTTI_TOKEN="+s.Token)
}

// Bin is the binary under test.
func (s *Server) Bin() string { return s.bin }
