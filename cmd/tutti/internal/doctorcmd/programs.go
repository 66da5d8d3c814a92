package doctorcmd

import (
	"context"
	"os/exec"
	"strings"
)

// programs are what the server runs as children where it finds them. Each name is a
// Debian package, too.
var programs = []struct {
	name     string
	commands []string
	lacks    string // what cannot be done without it
}{
	{"ffmpeg", []string{"ffmpeg", "ffprobe"}, "AAC, ALAC, Ogg Vorbis, Opus and others cannot be played"},
	{"espeak-ng", []string{"espeak-ng"}, "text cannot be announced"},
}

// checkPrograms looks for them in the search path of this process.
func checkPrograms(context.Context, settings) []Result {
	out := make([]Result, 0, len(programs))
	for _, p := range programs {
		var found, missing []string
		for _, c := range p.commands {
			if path, err := exec.LookPath(c); err == nil {
				found = append(found, path)
			} else {
				missing = append(missing, c)
			}
		}
		r := Result{p.name, OK, strings.Join(found, ", "), ""}
		if len(missing) > 0 {
			r = Result{p.name, Warn, "not in the search path: " + strings.Join(missing, ", ") + "; " + p.lacks, "install Debian's package " + p.name}
		}
		out = append(out, r)
	}
	return out
}
