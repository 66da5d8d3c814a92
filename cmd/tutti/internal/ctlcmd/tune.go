package ctlcmd

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// apiTuning is what the operator set for a player.
type apiTuning struct {
	VolumeMin     *int `json:"volume_min"`
	VolumeMax     *int `json:"volume_max"`
	VolumeStartup *int `json:"volume_startup"`

	Channels  string        `json:"channels"`
	Equalizer *apiEqualizer `json:"equalizer"`
	AutoStart *apiAutoStart `json:"auto_start"`
}

// apiAutoStart makes a group play a source when that has a signal.
type apiAutoStart struct {
	GroupID     string `json:"group_id"`
	StopAfterMS int64  `json:"stop_after_ms"`
}

// apiLimits is what the volume is held to now.
type apiLimits struct {
	VolumeMin     int  `json:"volume_min"`
	VolumeMax     int  `json:"volume_max"`
	VolumeStartup *int `json:"volume_startup"`
}

// none takes a setting away.
const none = "none"

// tuneFlags are the settings of 'tutti tune' as they were typed.
type tuneFlags struct {
	low, high, start string
	auto             string
	delay            int
	format           string
	sound            soundFlags
}

func (f *tuneFlags) bind(c *cobra.Command) {
	c.Flags().StringVar(&f.low, "min", "", "least volume that the server sets, 0 to 100, or none")
	c.Flags().StringVar(&f.high, "max", "", "greatest volume that the server sets, 0 to 100, or none")
	c.Flags().StringVar(&f.start, "startup", "", "volume that is set once when the device connects, 0 to 100, or none")
	c.Flags().StringVar(&f.auto, "auto-start", "", "of a source: the group that plays it as soon as there is a signal, or none")
	c.Flags().IntVar(&f.delay, "delay", -1, "output delay of the player in ms, 0 to 5000: what its amplifier or television adds")
	c.Flags().StringVar(&f.format, "format", "", "what it is sent, as codec:rate:bits:channels, for example flac:48000:24:2, or none: what it prefers")
	f.sound.bind(c)
}

// formatBody is --format as the API takes it.
func formatBody(s string) (any, error) {
	if s == none {
		return nil, nil
	}
	parts := strings.Split(s, ":")
	if len(parts) != 4 {
		return nil, usagef("--format %q: write codec:rate:bits:channels, for example flac:48000:24:2, or %q", s, none)
	}
	var n [3]int
	for i := range n {
		v, err := strconv.Atoi(parts[i+1])
		if err != nil || v <= 0 {
			return nil, usagef("--format %q: %q is no number above 0; write codec:rate:bits:channels, for example flac:48000:24:2", s, parts[i+1])
		}
		n[i] = v
	}
	return map[string]any{"codec": parts[0], "sample_rate": n[0], "bit_depth": n[1], "channels": n[2]}, nil
}

// body is the PATCH that carries them, for a client that is tuned like was.
func (f *tuneFlags) body(was *apiTuning) (map[string]any, error) {
	body := map[string]any{}
	for _, x := range []struct{ flag, key, value string }{
		{"min", "volume_min", f.low}, {"max", "volume_max", f.high}, {"startup", "volume_startup", f.start},
	} {
		if x.value == "" {
			continue
		}
		v, err := percentOrNone(x.value)
		if err != nil {
			return nil, usagef("--%s %q is neither 0 to 100 nor %q", x.flag, x.value, none)
		}
		body[x.key] = v
	}
	if f.delay >= 0 {
		if f.delay > 5000 {
			return nil, usagef("--delay %d is more than 5000 ms", f.delay)
		}
		body["output_delay_ms"] = f.delay
	}
	if f.format != "" {
		v, err := formatBody(f.format)
		if err != nil {
			return nil, err
		}
		body["preferred_format"] = v
	}
	return body, f.sound.add(body, was)
}

// addAutoStart puts the group of --auto-start into the PATCH.
func (f *tuneFlags) addAutoStart(r *run, body map[string]any) error {
	switch f.auto {
	case "":
		return nil
	case none:
		body["auto_start"] = nil
		return nil
	}
	g, err := r.group(f.auto)
	if err != nil {
		return err
	}
	body["auto_start"] = map[string]any{"group_id": g.GroupID}
	return nil
}

func percentOrNone(s string) (any, error) {
	if s == none {
		return nil, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 100 {
		return nil, fmt.Errorf("out of range")
	}
	return n, nil
}

func tuneCommand() *cobra.Command {
	var f tuneFlags
	c := command("tune <name|id|fingerprint>", "Set what a player is held to and how it sounds, or where a source starts",
		"Without flags it shows what is set. The limits hold for every volume that the server sets, also through\n"+
			"its group or its persona; the narrower limits count. Channels, equalizer and limiter are done in the\n"+
			"server, so they work with every player; a player that sounds takes them on without a gap.",
		`  tutti tune kitchen --max 60
  tutti tune kitchen --min 5 --startup 30
  tutti tune kitchen --max none
  tutti tune kitchen --channels left --eq peak:1000:-3:1 --eq low_shelf:120:4:0.7 --preamp -4 --limiter -1
  tutti tune kitchen --eq none --limiter none --channels stereo
  tutti tune terrace --delay 120 --format opus:48000:16:2
  tutti tune turntable --auto-start Downstairs`,
		cobra.ExactArgs(1), func(r *run, args []string) error {
			if _, err := f.body(nil); err != nil {
				return err // before anything is asked
			}
			found, err := r.client(args[0])
			if err != nil {
				return err
			}
			body, err := f.body(found.Tuning)
			if err != nil {
				return err
			}
			if err := f.addAutoStart(r, body); err != nil {
				return err
			}
			method, ask := http.MethodPatch, any(body)
			if len(body) == 0 {
				method, ask = http.MethodGet, nil
			}
			c, raw, err := call[apiClient](r, method, "/api/v1/clients/"+found.ClientID, ask)
			if err != nil {
				return err
			}
			return r.done(raw, "%s: %s", clean(found.display()), tuningWords(c))
		})
	f.bind(c)
	return c
}

// tuningWords is what is set for a client, for a person.
func tuningWords(c apiClient) string {
	var out []string
	if t := c.Tuning; t != nil {
		for _, x := range []struct {
			word string
			v    *int
		}{{"volume at least", t.VolumeMin}, {"at most", t.VolumeMax}, {"at the start", t.VolumeStartup}} {
			if x.v != nil {
				out = append(out, fmt.Sprintf("%s %d", x.word, *x.v))
			}
		}
		out = append(out, soundWords(t)...)
		if a := t.AutoStart; a != nil {
			out = append(out, fmt.Sprintf("starts in group %s with its signal, and stops it after %d s of silence", clean(a.GroupID), a.StopAfterMS/1000))
		}
	}
	if len(out) == 0 {
		out = append(out, "nothing is set")
	}
	if l := limitWords(c); l != "" {
		out = append(out, "held to "+l)
	}
	return strings.Join(out, ", ")
}

// limitWords is what the volume is held to now; "" without limits.
func limitWords(c apiClient) string {
	if c.Limits == nil {
		return ""
	}
	return fmt.Sprintf("%d to %d", c.Limits.VolumeMin, c.Limits.VolumeMax)
}
