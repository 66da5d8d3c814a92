// Package natscmd makes the configuration of a NATS server that knows each service by a
// key of its own and lets it do no more than its work.
package natscmd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nkeys"
	"github.com/spf13/cobra"

	"github.com/tutti-audio/tutti/cmd/tutti/internal/app"
	"github.com/tutti-audio/tutti/proto/subject"
)

const (
	// authFile is what the server's configuration includes.
	authFile = "auth.conf"
	// keySuffix ends the name of a file with a seed.
	keySuffix = ".nk"
	// admin is who may ask the server itself how it does ("nats server report").
	admin = "admin"
)

// New is the command.
func New() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "nats-config --out <folder>",
		Short: "Make credentials and permissions for NATS",
		Long: `Makes a key for each service and auth.conf for the NATS server, which lets each key do
what its service needs and nothing else. Only the public keys are in auth.conf.

Give each service its own file: tutti run pairing --nats-creds <folder>/pairing.nk.
'serve' is for 'tutti serve --nats', 'tools' for doctor and restore and for
'nats --nkey tools.nk micro ls', 'admin' for what the server says of itself
('nats --nkey admin.nk server report jetstream').

Run it again after an upgrade: keys that are there stay, auth.conf is written anew for
this version. To replace a key, delete its file first. Then tell the server to read its
configuration again (nats-server --signal reload).`,
		Example: "  tutti nats-config --out /etc/tutti/nats",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				return app.Usage(errors.New("nats-config needs --out: a folder for the keys and auth.conf"))
			}
			return Write(out, cmd.OutOrStdout())
		},
	}
	c.Flags().StringVar(&out, "out", "", "folder for the keys and auth.conf; made when it does not exist")
	return c
}

// Write makes what is missing in dir, writes auth.conf, and says on say what it did.
func Write(dir string, say io.Writer) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder of --out: %w", err)
	}
	keys := map[string]string{}
	for _, user := range append(subject.Users(), admin) {
		pub, made, err := key(filepath.Join(dir, user+keySuffix))
		if err != nil {
			return err
		}
		keys[user] = pub
		word := "kept"
		if made {
			word = "made"
		}
		fmt.Fprintf(say, "%s %s\n", word, filepath.Join(dir, user+keySuffix))
	}
	file := filepath.Join(dir, authFile)
	if err := replace(file, []byte(Render(keys))); err != nil {
		return err
	}
	fmt.Fprintf(say, "wrote %s: include it in the server's configuration, and give each service its key with --nats-creds\n", file)
	return nil
}

// key reads the seed of a user, or makes one, and returns the public key.
func key(file string) (pub string, made bool, err error) {
	seed, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		kp, err := nkeys.CreateUser()
		if err != nil {
			return "", false, fmt.Errorf("make a key: %w", err)
		}
		defer kp.Wipe()
		if seed, err = kp.Seed(); err != nil {
			return "", false, fmt.Errorf("make a key: %w", err)
		}
		if err := replace(file, append(seed, '\n')); err != nil {
			return "", false, err
		}
		made = true
	} else if err != nil {
		return "", false, fmt.Errorf("read a key: %w", err)
	}
	defer clear(seed)
	kp, err := nkeys.FromSeed([]byte(strings.TrimSpace(string(seed))))
	if err != nil {
		return "", false, fmt.Errorf("%s holds no nkey seed (%w): delete it, and a new one is made", file, err)
	}
	defer kp.Wipe()
	if pub, err = kp.PublicKey(); err != nil || !nkeys.IsValidPublicUserKey(pub) {
		return "", false, fmt.Errorf("%s holds a key of another kind than a user's (SU…): delete it, and a new one is made", file)
	}
	return pub, made, nil
}

// replace writes a file that only its owner reads, whole or not at all.
func replace(file string, data []byte) error {
	tmp := file + ".new"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	if err := os.Rename(tmp, file); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}

// Render is auth.conf for users by name with their public keys; admin is one of them.
func Render(keys map[string]string) string {
	var b strings.Builder
	b.WriteString("# Made by `tutti nats-config`: who may say what on the bus. Do not edit; run it again\n" +
		"# after an upgrade. It holds no secrets: these are public keys.\n" +
		"authorization {\n  timeout: 5\n  users: [\n")
	for _, user := range subject.Users() {
		p := subject.Allowed(user)
		fmt.Fprintf(&b, "    # %s\n    { nkey: %s, permissions: {\n", user, keys[user])
		list(&b, "publish", p.Publish)
		list(&b, "subscribe", p.Subscribe)
		b.WriteString("    } },\n")
	}
	fmt.Fprintf(&b, "  ]\n}\naccounts {\n  $SYS { users: [ { nkey: %s } ] }\n}\n", keys[admin])
	return b.String()
}

func list(b *strings.Builder, name string, subjects []string) {
	fmt.Fprintf(b, "      %s: { allow: [\n", name)
	for _, s := range subjects {
		fmt.Fprintf(b, "        %q\n", s)
	}
	b.WriteString("      ] }\n")
}
