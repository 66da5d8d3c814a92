package ctlcmd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// withPersonas adds a persona with the lobby's speaker, and the server's own.
func withPersonas(t *testing.T) *fakeAPI {
	t.Helper()
	f := newFakeAPI(t)
	f.get["/api/v1/personas"] = fmt.Sprintf(`{"personas":[
	 {"persona_id":"p-1","name":"Lobby left","kind":"endpoint","active_device":%q,"volume_max":60,"output_delay_ms":120,"seq":7,
	  "devices":[{"client_id":%q,"active":true},{"client_id":%q}]},
	 {"persona_id":"p-2","name":"Van\u001b[2J","kind":"endpoint","imported":true,"seq":1,"devices":[]},
	 {"persona_id":"p-9","name":"Hotel","kind":"server","seq":1,"devices":[]}]}`, lobbyID, lobbyID, awayID)
	f.get["/api/v1/server"] = `{"server_id":"S","recipient":"age1xyz"}`
	made := fmt.Sprintf(`{"persona_id":"p-3","name":"Kitchen","kind":"endpoint","active_device":%q,"devices":[{"client_id":%q,"active":true}]}`, kitchenID, kitchenID)
	f.answers["POST /api/v1/personas"] = made
	f.answers["POST /api/v1/personas/p-1/export"] = `{"roster":"TR1.abc"}`
	f.answers["POST /api/v1/personas/import"] = `{"persona":{"name":"Van"},"changes":["device x comes, a spare"],"accepted":false}`
	return f
}

func TestPersonaCommandsSendWhatTheySay(t *testing.T) {
	const p = "/api/v1/personas/p-1"
	for line, want := range map[string][]string{
		"personas create Bar kitchen":                 {`POST /api/v1/personas {"client_id":"` + kitchenID + `","name":"Bar"}`},
		"personas create Bar":                         {`POST /api/v1/personas {"name":"Bar"}`},
		"personas rename lobby Foyer":                 {`PATCH ` + p + ` {"name":"Foyer"}`},
		"personas set p-1 --volume-max -1":            {`PATCH ` + p + ` {"volume_max":-1}`},
		"personas set lobby --output-delay 5":         {`PATCH ` + p + ` {"output_delay_ms":5}`},
		"personas retire lobby":                       {`DELETE ` + p},
		"personas rotate-key lobby":                   {`POST ` + p + `/rotate-key`},
		"personas add lobby newDD":                    {`POST ` + p + `/devices {"client_id":"` + newID + `"}`},
		"personas activate lobby away":                {`POST ` + p + `/activate {"client_id":"` + awayID + `"}`},
		"personas remove lobby away":                  {`DELETE ` + p + `/devices/` + awayID},
		"personas export lobby --to age1a --to age1b": {`POST ` + p + `/export {"recipients":["age1a","age1b"]}`},
		"personas export lobby":                       {`POST ` + p + `/export {}`},
		"server rotate-key":                           {`POST /api/v1/server/rotate-key`},
		"swap lobby kitchenAAA":                       {`POST ` + p + `/devices {"client_id":"` + kitchenID + `"}`, `POST ` + p + `/activate {"client_id":"` + kitchenID + `"}`},
		"swap lobby away":                             {`POST ` + p + `/activate {"client_id":"` + awayID + `"}`}, // a spare already
		"swap sp-8271 kitchenAAA":                     {`POST ` + p + `/devices {"client_id":"` + kitchenID + `"}`, `POST ` + p + `/activate {"client_id":"` + kitchenID + `"}`},
		"swap kitchenAAA newDD":                       {`POST /api/v1/personas {"client_id":"` + kitchenID + `","name":"Kitchen"}`, `POST /api/v1/personas/p-3/devices {"client_id":"` + newID + `"}`, `POST /api/v1/personas/p-3/activate {"client_id":"` + newID + `"}`},
	} {
		t.Run(line, func(t *testing.T) {
			f := withPersonas(t)
			out, err := f.run(t, strings.Fields(line)...)
			if err != nil {
				t.Fatal(err)
			}
			if got := f.sent(); !slices.Equal(got, want) {
				t.Errorf("sent %q, want %q", got, want)
			}
			if strings.TrimSpace(out) == "" {
				t.Error("said nothing")
			}
		})
	}
}

func TestPersonasAreListed(t *testing.T) {
	f := withPersonas(t)
	out, err := f.run(t, "personas")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Lobby left", "sp-8271 (lobbyBBB)", "Kitchen radio (awayCCCC)", "0-60", "120 ms", "1 (another site's)"} {
		if !strings.Contains(out, want) {
			t.Errorf("the list lacks %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "\x1b") || strings.Contains(out, "Hotel") {
		t.Errorf("the list shows what it should not:\n%s", out)
	}
	if out, err = f.run(t, "personas", "recipient"); err != nil || strings.TrimSpace(out) != "age1xyz" {
		t.Errorf("recipient: %q, %v", out, err)
	}
}

func TestImportShowsFirst(t *testing.T) {
	f := withPersonas(t)
	file := filepath.Join(t.TempDir(), "roster")
	if err := os.WriteFile(file, []byte("TR1.abc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := f.run(t, "personas", "import", file)
	if err != nil || !strings.Contains(out, "--accept does it") || !strings.Contains(out, "device x comes") {
		t.Errorf("said %q, %v", out, err)
	}
	if got, want := f.sent(), []string{`POST /api/v1/personas/import {"accept":false,"roster":"TR1.abc\n"}`}; !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
	if err := os.Truncate(file, maxRosterFile+1); err != nil {
		t.Fatal(err)
	}
	if _, err := f.run(t, "personas", "import", file); err == nil || !strings.Contains(err.Error(), "no roster") {
		t.Errorf("a large file: %v", err)
	}
	for _, line := range []string{"personas set lobby", "swap kitchenAAA kitchenAAA", "swap lobby"} {
		if _, err := f.run(t, strings.Fields(line)...); err == nil {
			t.Errorf("%s: no error", line)
		}
	}
}
