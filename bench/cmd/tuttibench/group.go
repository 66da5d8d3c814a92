package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/tutti-audio/tutti/bench/group"
)

// groups measures the real binary with one group, from one player to every role.
func groups(ctx context.Context, o options) (err error) {
	dir, err := os.MkdirTemp("", "tutti-bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	binary := filepath.Join(dir, "tutti")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/tutti-audio/tutti/cmd/tutti")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build the server: %w", err)
	}
	music := filepath.Join(dir, "music")
	if err := errors.Join(os.Mkdir(music, 0o700), group.Music(music)); err != nil {
		return err
	}
	fmt.Print("\n## One group on the real binary\n\n| who is in the group | cores | resident | late chunks, violations |\n| --- | --- | --- | --- |\n")
	for _, st := range group.Stages() {
		r, err := group.Run(ctx, binary, music, st, o.duration)
		if err != nil {
			return fmt.Errorf("%s: %w", st.Name, err)
		}
		fmt.Printf("| %s | %.3f | %.0f MiB | %d, %d |\n", st.Name, r.Cores, float64(r.Resident)/(1<<20), r.Late, r.Violations)
	}
	return nil
}
