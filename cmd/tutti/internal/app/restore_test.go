package app

import (
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/platform/fault"
)

// TestWhereTheConsoleCannotRestoreTheAnswerNamesTheCommand, without a secret.
func TestWhereTheConsoleCannotRestoreTheAnswerNamesTheCommand(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  Config
		want string
	}{
		"one process, PostgreSQL": {Config{DataDir: "/d", DatabaseURL: "postgres://tutti:geheim@db:5432/tutti?sslmode=require"},
			"tutti restore FILE --data-dir EMPTY-FOLDER --database-url postgres://tutti@db:5432/EMPTY-DATABASE"},
		"one process, NATS and PostgreSQL": {Config{DataDir: "/d", NATS: "nats://geheim@nats:4222", DatabaseURL: "postgres://db/tutti", KeyFile: "/run/secrets/key"},
			"tutti restore FILE --nats nats://nats:4222 --database-url postgres://db/EMPTY-DATABASE --deployment-key-file /run/secrets/key"},
		"management alone": {Config{DataDir: "/d", NATS: "tls://u:geheim@nats:4222"},
			"tutti restore FILE --nats tls://nats:4222 --database-url postgres://USER@HOST/EMPTY-DATABASE"},
		"several NATS servers": {Config{NATS: "nats://geheim@a:4222,nats://geheim@b:4222"},
			"tutti restore FILE --nats ADDRESS --database-url postgres://USER@HOST/EMPTY-DATABASE"},
	} {
		r := newRestorer(c.cfg, func() { t.Error("restarted") })
		_, err := r.Stage(t.Context(), strings.NewReader("x"), "pass", "me", false)
		if fault.CodeOf(err) != fault.Conflict || !strings.HasSuffix(err.Error(), ": "+c.want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v\nwant %s", name, err, c.want)
		}
		r.Restart() // does nothing
	}
}
