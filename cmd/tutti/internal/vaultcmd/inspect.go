package vaultcmd

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tutti-audio/tutti/cmd/tutti/internal/app"
	"github.com/tutti-audio/tutti/cmd/tutti/internal/passphrase"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/backup"
	"github.com/tutti-audio/tutti/proto/subject"
)

// Contents is what a backup holds.
type Contents struct {
	MadeAt      time.Time      `json:"made_at"`
	By          string         `json:"by"`
	ServerName  string         `json:"server_name"`
	ServerID    string         `json:"server_id"`
	Fingerprint string         `json:"fingerprint"`
	Version     string         `json:"tutti_version"`
	Database    string         `json:"database"`
	Schema      int64          `json:"schema"`
	AuditHead   string         `json:"audit_head"` // ID:HASH
	Rows        map[string]int `json:"rows"`       // by table
	Entries     map[string]int `json:"entries"`    // by bucket
	Users       int            `json:"users"`      // people who may sign in
}

// Inspect reads a backup to its end, which shows that it is whole, and counts.
func Inspect(file, pass string) (Contents, error) {
	s, err := openFile(file, pass)
	if err != nil {
		return Contents{}, err
	}
	defer s.close()
	return s.count()
}

// count reads to the end.
func (s *sealedFile) count() (Contents, error) {
	c := s.contents()
	for {
		r, err := s.next()
		switch {
		case errors.Is(err, io.EOF):
			return c, nil
		case err != nil:
			return c, err
		case r.Row != nil:
			c.Rows[r.Row.Table]++
		case r.Entry != nil:
			c.Entries[r.Entry.Bucket]++
			c.Users += usersIn(*r.Entry)
		}
	}
}

// usersIn counts the users in the one entry that holds them all.
func usersIn(e backup.Entry) int {
	if e.Bucket != subject.BucketUsers || e.Key != subject.BucketUsers {
		return 0
	}
	var v wrapperspb.BytesValue
	var all struct {
		Users []json.RawMessage `json:"users"`
	}
	if proto.Unmarshal(e.Data, &v) != nil || json.Unmarshal(v.GetValue(), &all) != nil {
		return 0 // of another form: it is only a number that is shown
	}
	return len(all.Users)
}

func (s *sealedFile) contents() Contents {
	return Contents{
		MadeAt: s.header.MadeAt, By: s.header.Actor, ServerName: s.header.Server, Version: s.header.Tutti,
		ServerID: s.trust.ServerID, Fingerprint: s.trust.Fingerprint, Database: s.trust.Database, Schema: s.trust.Schema,
		AuditHead: fmt.Sprintf("%d:%s", s.trust.HeadID, hex.EncodeToString(s.trust.HeadHash)),
		Rows:      map[string]int{}, Entries: map[string]int{},
	}
}

// Print writes the contents for a person.
func (c Contents) Print(w io.Writer) error {
	lines := [][2]string{
		{"Made", c.MadeAt.Local().Format("2006-01-02 15:04:05") + " by " + obs.Name(c.By)},
		{"Server", fmt.Sprintf("%s, %s, key %s", obs.Name(c.ServerName), obs.Name(c.ServerID), obs.Name(c.Fingerprint))},
		{"From", fmt.Sprintf("Tutti %s, %s, schema %d", obs.Name(c.Version), obs.Name(c.Database), c.Schema)},
		{"Audit head", c.AuditHead},
	}
	for _, t := range slices.Sorted(maps.Keys(c.Rows)) {
		lines = append(lines, [2]string{"table " + obs.Name(t), fmt.Sprint(c.Rows[t])})
	}
	for _, b := range slices.Sorted(maps.Keys(c.Entries)) {
		lines = append(lines, [2]string{"bucket " + obs.Name(b), fmt.Sprint(c.Entries[b])})
	}
	for _, l := range lines {
		if _, err := fmt.Fprintf(w, "%-24s %s\n", l[0], l[1]); err != nil {
			return err
		}
	}
	return nil
}

// InspectCommand is `tutti backup inspect`; its parent speaks to a server.
func InspectCommand() *cobra.Command {
	asJSON, file := false, ""
	c := &cobra.Command{
		Use: "inspect <file>", Short: "Show what is in a backup", SilenceUsage: true, SilenceErrors: true,
		Long:    "Opens a backup with its passphrase, reads it to its end, and shows who made it, of which server, and how much it holds. It shows no secret.",
		Example: "  tutti backup inspect casa-verde.backup", Args: oneFile("inspect"),
		RunE: func(cmd *cobra.Command, args []string) error {
			pass, err := passphrase.Source{File: file}.Read(cmd.Context())
			if err != nil {
				return err
			}
			c, err := Inspect(args[0], pass)
			if err != nil {
				return err
			}
			if !asJSON {
				return c.Print(cmd.OutOrStdout())
			}
			return json.NewEncoder(cmd.OutOrStdout()).Encode(c)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().StringVar(&file, "passphrase-file", "", passphrase.FlagUsage)
	return c
}

func oneFile(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return app.Usage(fmt.Errorf("name one backup to %s: %s (see '%s --help')", what, cmd.UseLine(), cmd.CommandPath()))
		}
		return nil
	}
}
