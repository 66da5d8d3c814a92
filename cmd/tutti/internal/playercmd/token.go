package playercmd

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tutti-audio/tutti/platform/config"
)

// tokenSettings are the flags of `tutti player token`.
type tokenSettings struct {
	Name     string `config:"name" usage:"name of the player, which tells its identity file"`
	Identity string `config:"identity" usage:"file with key and pairings (default: one per name in the XDG data folder)"`
	JSON     bool   `config:"json" usage:"print one JSON object"`
}

const tokenLong = `Prints the player's pairing token: its key and a secret that pairs it with any server
that is given it, as text and as a QR code. It stays the same for the life of the
identity file, which is made when there is none. Whoever has the token can pair with
the player: treat it as a password.`

func tokenCommand() *cobra.Command {
	s := tokenSettings{Name: hostName()}
	c := &cobra.Command{
		Use:   "token",
		Short: "Print the player's pairing token and its QR code",
		Long:  tokenLong,
		Example: `  tutti player token --name "Desk"
  tutti player token --identity /var/lib/player.json --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := config.Load(cmd.Flags(), &s); err != nil {
				return usageError{err}
			}
			return printToken(s, cmd.OutOrStdout())
		},
	}
	config.MustBind(c.Flags(), &s)
	return c
}

func printToken(s tokenSettings, w io.Writer) error {
	path := s.Identity
	if path == "" {
		var err error
		if path, err = identityPath("player", s.Name); err != nil {
			return err
		}
	}
	store, err := openStore(path)
	if err != nil {
		return err
	}
	token := store.PairingToken()
	id := store.Identity().Public()
	if s.JSON {
		return json.NewEncoder(w).Encode(map[string]string{"client_id": id.ID(), "fingerprint": id.Fingerprint(), "token": token})
	}
	rows, err := drawQR(token, isTerminal(w))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n%s\nfingerprint %s; a server that gets the token can pair\n",
		token, strings.Join(rows, "\n"), id.Fingerprint())
	return err
}
