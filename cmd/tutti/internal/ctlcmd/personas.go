package ctlcmd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

type apiPersona struct {
	PersonaID     string `json:"persona_id"`
	Name          string `json:"name"`
	Kind          string `json:"kind"`
	ActiveDevice  string `json:"active_device"`
	VolumeMin     *int   `json:"volume_min"`
	VolumeMax     *int   `json:"volume_max"`
	OutputDelayMS *int   `json:"output_delay_ms"`
	GroupID       string `json:"group_id"`
	Seq           uint64 `json:"seq"`
	Imported      bool   `json:"imported"`
	Devices       []struct {
		ClientID string `json:"client_id"`
		Active   bool   `json:"active"`
	} `json:"devices"`
}

func (p *apiPersona) has(id string) bool {
	for _, d := range p.Devices {
		if d.ClientID == id {
			return true
		}
	}
	return false
}

type apiPersonas struct {
	Personas []apiPersona `json:"personas"`
}

const personasPath = "/api/v1/personas"

func personasCommand() *cobra.Command {
	c := command("personas", "List the personas: places that outlive their hardware",
		"A persona is a place such as \"Lobby left\". One of its devices is active and inherits its name, its group, its volume limits and its output delay; the others are spares.",
		`  tutti personas
  tutti personas create "Lobby left" lobby
  tutti swap "Lobby left" new-speaker`,
		cobra.NoArgs, func(r *run, _ []string) error {
			list, raw, err := get[apiPersonas](r, personasPath)
			if err != nil {
				return err
			}
			return r.show(raw, func() error { return r.printPersonas(list.Personas) })
		})
	c.AddCommand(personaCreateCommand(), personaRenameCommand(), personaSetCommand(), personaRetireCommand(), personaRotateCommand(),
		personaDeviceCommand("add", "added", "Add a spare", "It gets nothing by that. It may take over once it is paired or approved.",
			func(p apiPersona, dev apiClient) (method, path string, body any) {
				return http.MethodPost, personasPath + "/" + p.PersonaID + "/devices", map[string]any{"client_id": dev.ClientID}
			}),
		personaDeviceCommand("activate", "activated", "Make a spare the active device", "It takes the place in the group and inherits the name, the limits and the delay.",
			func(p apiPersona, dev apiClient) (method, path string, body any) {
				return http.MethodPost, personasPath + "/" + p.PersonaID + "/activate", map[string]any{"client_id": dev.ClientID}
			}),
		personaDeviceCommand("remove", "removed", "Take a device out", "The active one only when it is the last.",
			func(p apiPersona, dev apiClient) (method, path string, body any) {
				return http.MethodDelete, personasPath + "/" + p.PersonaID + "/devices/" + dev.ClientID, nil
			}),
		personaExportCommand(), personaImportCommand(), personaRecipientCommand())
	return c
}

func (r *run) printPersonas(personas []apiPersona) error {
	clients, _, err := get[apiClients](r, "/api/v1/clients")
	if err != nil {
		return err
	}
	names := deviceNames(clients.Clients)
	t := newTable("NAME", "ID", "ACTIVE", "SPARES", "VOLUME", "DELAY", "ROSTER")
	n := 0
	for _, p := range personas {
		if p.Kind != "endpoint" {
			continue
		}
		n++
		spares := []string{}
		for _, d := range p.Devices {
			if !d.Active {
				spares = append(spares, names(d.ClientID))
			}
		}
		seq := fmt.Sprint(p.Seq)
		if p.Imported {
			seq += " (another site's)"
		}
		active := ""
		if p.ActiveDevice != "" {
			active = names(p.ActiveDevice)
		}
		t.add(clip(p.Name), p.PersonaID, dash(active), dash(strings.Join(spares, ", ")), limits(p), delay(p), seq)
	}
	if n == 0 {
		_, err := fmt.Fprintln(r.out, "no personas: make one with 'tutti personas create NAME DEVICE'")
		return err
	}
	return t.print(r.out)
}

// deviceNames shows a device by its own name: the label of an active one is the
// persona's, which the line shows already.
func deviceNames(clients []apiClient) func(id string) string {
	m := map[string]string{}
	for _, c := range clients {
		m[c.ClientID] = c.Name
	}
	return func(id string) string {
		if n := m[id]; n != "" {
			return clip(n) + " (" + short(id) + ")"
		}
		return short(id)
	}
}

func limits(p apiPersona) string {
	if p.VolumeMin == nil && p.VolumeMax == nil {
		return "-"
	}
	low, high := 0, 100
	if p.VolumeMin != nil {
		low = *p.VolumeMin
	}
	if p.VolumeMax != nil {
		high = *p.VolumeMax
	}
	return fmt.Sprintf("%d-%d", low, high)
}

func delay(p apiPersona) string {
	if p.OutputDelayMS == nil {
		return "-"
	}
	return fmt.Sprintf("%d ms", *p.OutputDelayMS)
}

// persona finds an endpoint by name or id.
func (r *run) persona(word string) (apiPersona, error) {
	list, _, err := get[apiPersonas](r, personasPath)
	if err != nil {
		return apiPersona{}, err
	}
	var all []candidate
	for _, p := range list.Personas {
		if p.Kind == "endpoint" {
			all = append(all, candidate{id: p.PersonaID, names: []string{p.Name}, keys: []string{p.PersonaID},
				says: fmt.Sprintf("%s (%s)", clip(p.Name), p.PersonaID)})
		}
	}
	m, err := match("persona", word, all, "'tutti personas' lists them")
	if err != nil {
		return apiPersona{}, err
	}
	i := slices.IndexFunc(list.Personas, func(p apiPersona) bool { return p.PersonaID == m.id })
	return list.Personas[i], nil
}

func personaCreateCommand() *cobra.Command {
	return command("create <name> [device]", "Make a persona, with its first device",
		"The device must be paired or approved. Without one the persona waits for it.",
		`  tutti personas create "Lobby left" lobby`, cobra.RangeArgs(1, 2), func(r *run, args []string) error {
			body := map[string]any{"name": args[0]}
			if len(args) == 2 {
				dev, err := r.client(args[1])
				if err != nil {
					return err
				}
				body["client_id"] = dev.ClientID
			}
			p, raw, err := call[apiPersona](r, http.MethodPost, personasPath, body)
			if err != nil {
				return err
			}
			return r.done(raw, "made persona %s (%s)", clean(p.Name), p.PersonaID)
		})
}

func personaRenameCommand() *cobra.Command {
	return command("rename <persona> <name>", "Give a persona another name", "", `  tutti personas rename "Lobby left" "Lobby east"`,
		cobra.ExactArgs(2), func(r *run, args []string) error {
			was, p, raw, err := r.patchPersona(args[0], map[string]any{"name": args[1]})
			if err != nil {
				return err
			}
			return r.done(raw, "%s is now %s", clean(was.Name), clean(p.Name))
		})
}

// patchPersona changes a persona, and returns it as it was and as it is.
func (r *run) patchPersona(word string, body map[string]any) (was, is apiPersona, raw json.RawMessage, err error) {
	if was, err = r.persona(word); err == nil {
		is, raw, err = call[apiPersona](r, http.MethodPatch, personasPath+"/"+was.PersonaID, body)
	}
	return was, is, raw, err
}

func personaSetCommand() *cobra.Command {
	var low, high, ms int
	var c *cobra.Command
	c = command("set <persona>", "Set volume limits and output delay",
		"-1 takes a limit or the delay away.",
		`  tutti personas set "Lobby left" --volume-max 60
  tutti personas set "Lobby left" --volume-max -1 --output-delay 120`,
		cobra.ExactArgs(1), func(r *run, args []string) error {
			body := map[string]any{}
			for _, f := range []struct {
				flag, key string
				value     int
			}{{"volume-min", "volume_min", low}, {"volume-max", "volume_max", high}, {"output-delay", "output_delay_ms", ms}} {
				if c.Flags().Changed(f.flag) {
					body[f.key] = f.value
				}
			}
			if len(body) == 0 {
				return usagef("say what to set: --volume-min, --volume-max or --output-delay (see '%s --help')", c.CommandPath())
			}
			_, p, raw, err := r.patchPersona(args[0], body)
			if err != nil {
				return err
			}
			return r.done(raw, "%s: volume %s, output delay %s", clean(p.Name), limits(p), delay(p))
		})
	c.Flags().IntVar(&low, "volume-min", -1, "least volume, 0 to 100")
	c.Flags().IntVar(&high, "volume-max", -1, "greatest volume, 0 to 100")
	c.Flags().IntVar(&ms, "output-delay", -1, "output delay of the active device in ms, 0 to 5000")
	return c
}

func personaRetireCommand() *cobra.Command {
	return command("retire <persona>", "End a persona", "Its devices are free again and keep their own trust; the active one leaves its group.",
		`  tutti personas retire "Lobby left"`, cobra.ExactArgs(1), func(r *run, args []string) error {
			p, err := r.persona(args[0])
			if err != nil {
				return err
			}
			raw, err := r.api.do(r.ctx, http.MethodDelete, personasPath+"/"+p.PersonaID, nil)
			if err != nil {
				return err
			}
			return r.done(raw, "retired %s", clean(p.Name))
		})
}

func personaRotateCommand() *cobra.Command {
	return command("rotate-key <persona>", "Give a persona a new signing key", "The former key signs it; other sites take it with the next roster.",
		`  tutti personas rotate-key "Lobby left"`, cobra.ExactArgs(1), func(r *run, args []string) error {
			p, err := r.persona(args[0])
			if err != nil {
				return err
			}
			p, raw, err := call[apiPersona](r, http.MethodPost, personasPath+"/"+p.PersonaID+"/rotate-key", nil)
			if err != nil {
				return err
			}
			return r.done(raw, "%s has a new key; its roster is number %d", clean(p.Name), p.Seq)
		})
}

func personaDeviceCommand(verb, done, short, long string, request func(apiPersona, apiClient) (method, path string, body any)) *cobra.Command {
	return command(verb+" <persona> <device>", short, long, `  tutti personas `+verb+` "Lobby left" new-speaker`,
		cobra.ExactArgs(2), func(r *run, args []string) error {
			p, err := r.persona(args[0])
			if err != nil {
				return err
			}
			dev, err := r.anyClient(args[1])
			if err != nil {
				return err
			}
			method, path, body := request(p, dev)
			p, raw, err := call[apiPersona](r, method, path, body)
			if err != nil {
				return err
			}
			list, _, err := get[apiClients](r, "/api/v1/clients")
			if err != nil {
				return err
			}
			active := "none"
			if p.ActiveDevice != "" {
				active = deviceNames(list.Clients)(p.ActiveDevice)
			}
			return r.done(raw, "%s: %s %s; active is %s, devices in all: %d", clean(p.Name), done, clean(dev.display()), active, len(p.Devices))
		})
}

func personaExportCommand() *cobra.Command {
	var to []string
	c := command("export <persona>", "Print a persona's signed roster, for another site",
		"With --to it is sealed: only the named recipients can read it. 'tutti personas recipient' on the other site shows that site's.",
		`  tutti personas export "Lobby left" > lobby.roster
  tutti personas export "Lobby left" --to age1... > lobby.roster`, cobra.ExactArgs(1), func(r *run, args []string) error {
			p, err := r.persona(args[0])
			if err != nil {
				return err
			}
			body := map[string]any{}
			if len(to) > 0 {
				body["recipients"] = to
			}
			x, raw, err := call[struct {
				Roster string `json:"roster"`
			}](r, http.MethodPost, personasPath+"/"+p.PersonaID+"/export", body)
			if err != nil {
				return err
			}
			return r.done(raw, "%s", strings.TrimSpace(x.Roster))
		})
	c.Flags().StringArrayVar(&to, "to", nil, "age recipient that it is sealed to; may be given several times")
	return c
}

// maxRosterFile bounds what import reads.
const maxRosterFile = 64 << 10

func personaImportCommand() *cobra.Command {
	accept := false
	c := command("import <file>", "Take a roster of another site",
		"Shows what it would change; --accept does it. A roster that is older than the last one, or signed by another key, is refused. It gives its devices no trust here.",
		`  tutti personas import lobby.roster
  tutti personas import lobby.roster --accept`, cobra.ExactArgs(1), func(r *run, args []string) error {
			info, err := os.Stat(args[0])
			if err != nil {
				return err
			}
			if info.Size() > maxRosterFile {
				return fmt.Errorf("%s has %d bytes: that is no roster", args[0], info.Size())
			}
			text, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			x, raw, err := call[struct {
				Persona  apiPersona `json:"persona"`
				Changes  []string   `json:"changes"`
				Accepted bool       `json:"accepted"`
			}](r, http.MethodPost, personasPath+"/import", map[string]any{"roster": string(text), "accept": accept})
			if err != nil {
				return err
			}
			head := fmt.Sprintf("%s would change; --accept does it", clean(x.Persona.Name))
			switch {
			case len(x.Changes) == 0:
				head = clean(x.Persona.Name) + " is as the roster says"
			case x.Accepted:
				head = "accepted " + clean(x.Persona.Name)
			}
			for _, s := range x.Changes {
				head += "\n  " + clean(s)
			}
			return r.done(raw, "%s", head)
		})
	c.Flags().BoolVar(&accept, "accept", false, "put it into force")
	return c
}

func personaRecipientCommand() *cobra.Command {
	return command("recipient", "Show what other sites seal rosters to, for this server", "", "  tutti personas recipient",
		cobra.NoArgs, func(r *run, _ []string) error {
			s, raw, err := get[struct {
				Recipient string `json:"recipient"`
			}](r, "/api/v1/server")
			if err != nil {
				return err
			}
			return r.done(raw, "%s", s.Recipient)
		})
}
