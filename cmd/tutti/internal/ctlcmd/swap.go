package ctlcmd

import (
	"net/http"

	"github.com/spf13/cobra"
)

func swapCommand() *cobra.Command {
	return command("swap <persona|old device> <new device>", "Replace a speaker: the new one takes its place",
		"The new device inherits the name, the group, the volume limits and the output delay; what plays goes on there. It must be paired or approved. "+
			"A device that stands in no persona yet gets one of its name.",
		`  tutti swap "Lobby left" new-speaker
  tutti swap broken-speaker new-speaker`, cobra.ExactArgs(2), func(r *run, args []string) error {
			next, err := r.anyClient(args[1])
			if err != nil {
				return err
			}
			p, err := r.placeOf(args[0], next)
			if err != nil {
				return err
			}
			path := personasPath + "/" + p.PersonaID
			body := map[string]any{"client_id": next.ClientID}
			if !p.has(next.ClientID) {
				if _, _, err := call[apiPersona](r, http.MethodPost, path+"/devices", body); err != nil {
					return err
				}
			}
			p, raw, err := call[apiPersona](r, http.MethodPost, path+"/activate", body)
			if err != nil {
				return err
			}
			return r.done(raw, "%s is now %s (%s)", clean(p.Name), clean(next.Name), dash(next.Fingerprint))
		})
}

// placeOf finds the persona that a word means: its name or id, else the persona of the
// device with that name; a device without one gets one.
func (r *run) placeOf(word string, next apiClient) (apiPersona, error) {
	p, err := r.persona(word)
	if _, none := err.(notFound); !none {
		return p, err
	}
	old, err := r.anyClient(word)
	if err != nil {
		return p, err
	}
	if old.ClientID == next.ClientID {
		return p, usagef("the old and the new device are the same: %s", clean(old.display()))
	}
	list, _, err := get[apiPersonas](r, personasPath)
	if err != nil {
		return p, err
	}
	for _, p := range list.Personas {
		if p.has(old.ClientID) {
			return p, nil
		}
	}
	p, _, err = call[apiPersona](r, http.MethodPost, personasPath, map[string]any{"name": old.display(), "client_id": old.ClientID})
	return p, err
}

func serverCommand() *cobra.Command {
	c := parent("server", "Change the server's own key", command("rotate-key", "Give the server a new key",
		"Paired devices that keep the server's roster (tutti player does) take the new key by themselves, in a new session; all others go on with the key that they know, which stays. "+
			"Sessions of devices that are not paired end and begin anew.",
		"  tutti server rotate-key", cobra.NoArgs, func(r *run, _ []string) error {
			s, raw, err := call[apiServer](r, http.MethodPost, "/api/v1/server/rotate-key", nil)
			if err != nil {
				return err
			}
			return r.done(raw, "the server's key is now %s", s.ServerID)
		}))
	c.Example = "  tutti server rotate-key"
	return c
}
