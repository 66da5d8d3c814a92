package ctlcmd

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

// showClient prints what is known of one device.
func (r *run) showClient(word string) error {
	found, err := r.anyClient(word)
	if err != nil {
		return err
	}
	c, raw, err := get[apiClient](r, "/api/v1/clients/"+url.PathEscape(found.ClientID))
	if err != nil {
		return err
	}
	return r.show(raw, func() error {
		t := &table{}
		for _, row := range clientRows(c, time.Now()) {
			if row[1] != "" {
				t.add(row[0], row[1])
			}
		}
		return t.print(r.out)
	})
}

// clientRows are the facts in the order in which a person wants them; an empty one is
// left out.
func clientRows(c apiClient, now time.Time) [][2]string {
	rows := [][2]string{
		{"name", clip(c.display())}, {"states", map[bool]string{true: clip(c.Name)}[c.Label != ""]},
		{"trust", trust(c)}, {"fingerprint", c.Fingerprint}, {"id", c.ClientID},
		{"state", state(c, now)}, {"address", c.Address}, {"suite", c.Suite}, {"last error", clip(c.LastError)},
	}
	if d := c.DeviceInfo; d != nil {
		rows = append(rows, [2]string{"maker", strings.TrimSpace(maker(d.Manufacturer, d.ProductName) + " " + clip(d.SoftwareVersion))},
			[2]string{"mac", clip(d.MACAddress)})
	}
	var allowed []string
	if c.SourceAllowed {
		allowed = append(allowed, "source")
	}
	if c.ControllerAllowed {
		allowed = append(allowed, "controller")
	}
	var ways []string
	for _, m := range c.PairMethods {
		ways = append(ways, methodWords(m))
	}
	unpaired := ""
	if len(c.PairMethods) > 0 || c.UnpairedAccess {
		unpaired = map[bool]string{true: "admitted by the device", false: "not admitted by the device"}[c.UnpairedAccess]
	}
	rows = append(rows,
		[2]string{"roles", join(c.ActiveRoles)}, [2]string{"offers roles", join(c.SupportedRoles)}, [2]string{"also allowed", join(allowed)},
		[2]string{"pairing by", join(ways)}, [2]string{"unpaired", unpaired}, [2]string{"persona", c.PersonaID})
	if c.PairedAt != nil {
		rows = append(rows, [2]string{"paired", ago(*c.PairedAt, now)})
	}
	rows = append(rows, [2]string{"first seen", ago(c.FirstSeenAt, now)})
	if c.Player != nil {
		rows = append(rows, [2]string{"plays", fmt.Sprintf("%s, volume %s, buffer %s", format(c), volume(c), buffer(c))})
	}
	if c.Tuning != nil {
		rows = append(rows, [2]string{"tuned", tuningWords(c)})
	} else {
		rows = append(rows, [2]string{"volume held to", limitWords(c)})
	}
	return append(rows, [2]string{"ignored", newerWords(c)})
}

// newerWords says what of the device's words the server did not know; "" when it knew all.
func newerWords(c apiClient) string {
	if len(c.Ignored) == 0 {
		return ""
	}
	return "this device speaks a newer revision: " + clip(strings.Join(c.Ignored, ", "))
}
