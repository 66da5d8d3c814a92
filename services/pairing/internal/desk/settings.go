package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/language"

	"github.com/tutti-audio/tutti/platform/fault"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/pairing/internal/trust"
)

const (
	policyRequired = "required"
	policyOptional = "optional"

	controllerPairedOnly = "paired_only"
	controllerApproved   = "approved"

	rostersAsk    = "ask"
	rostersAccept = "accept"

	defaultName = "Tutti"
	// maxName is what fits into one label of a DNS-SD instance name, in bytes.
	maxName      = 63
	maxLanguages = 16
)

// Settings are what the operator sets for the whole deployment.
type Settings struct {
	Name      string
	Languages []string // BCP 47, canonical, most preferred first
	Policy    string   // "required" or "optional"
	// Controller says who gets the controller role: "paired_only", or also "approved".
	Controller string
	// Rosters says whether a newer roster of an imported persona is taken without asking:
	// "ask" or "accept".
	Rosters string
}

// Names of rows. configuredPrefix remembers what the configuration said last, to
// tell a changed configuration from a setting changed over the API.
const (
	rowName          = "name"
	rowLanguages     = "languages"
	rowPolicy        = "pairing_policy"
	rowController    = "controller_policy"
	rowRosters       = "roster_policy"
	configuredPrefix = "configured."
)

// LoadSettings reads the settings, with defaults for what was never set.
func LoadSettings(ctx context.Context, tx Tx) (Settings, error) {
	m, err := tx.Settings(ctx)
	if err != nil {
		return Settings{}, err
	}
	return settingsOf(m), nil
}

func settingsOf(m map[string]string) Settings {
	s := Settings{Name: m[rowName], Languages: strings.Fields(m[rowLanguages]), Policy: m[rowPolicy], Controller: m[rowController], Rosters: m[rowRosters]}
	if s.Policy != policyOptional { // anything unknown is the strict one
		s.Policy = policyRequired
	}
	if s.Controller != controllerApproved {
		s.Controller = controllerPairedOnly
	}
	if s.Rosters != rostersAccept {
		s.Rosters = rostersAsk
	}
	return s.WithDefaults()
}

// WithDefaults fills what is not set.
func (s Settings) WithDefaults() Settings {
	if s.Name == "" {
		s.Name = defaultName
	}
	if s.Policy == "" {
		s.Policy = policyRequired
	}
	if s.Rosters == "" {
		s.Rosters = rostersAsk
	}
	if s.Controller == "" {
		s.Controller = controllerPairedOnly
	}
	return s
}

func (s Settings) rows() map[string]string {
	return map[string]string{
		rowName: s.Name, rowLanguages: strings.Join(s.Languages, " "), rowPolicy: s.Policy, rowController: s.Controller, rowRosters: s.Rosters,
	}
}

// Check makes s canonical, or answers OutOfRange with every bad field.
func (s Settings) Check() (Settings, error) {
	var bad *fault.Error
	add := func(field, msg string) {
		if bad == nil {
			bad = fault.New(fault.OutOfRange, "the settings are not acceptable")
		}
		bad = bad.WithField(field, msg)
	}
	if err := CheckName(s.Name); err != nil {
		add("name", err.Error())
	}
	if s.Policy != policyRequired && s.Policy != policyOptional {
		add("policy", `must be "required" or "optional"`)
	}
	if s.Rosters != rostersAsk && s.Rosters != rostersAccept {
		add("roster_policy", `must be "ask" or "accept"`)
	}
	if s.Controller != controllerPairedOnly && s.Controller != controllerApproved {
		add("controller_policy", `must be "paired_only" or "approved"`)
	}
	tags, err := Languages(s.Languages)
	var e *fault.Error
	if errors.As(err, &e) {
		for _, f := range e.Fields {
			add(f.Location, f.Message)
		}
	}
	if bad != nil {
		return s, bad
	}
	s.Languages = tags
	return s, nil
}

// CheckName says what is wrong with a server's name.
func CheckName(name string) error {
	if name == "" || len(name) > maxName || !utf8.ValidString(name) || trust.Clean(name, maxName) != name {
		return fmt.Errorf("must be 1 to %d bytes of printable characters, without leading, trailing or double spaces", maxName)
	}
	return nil
}

// Languages makes tags canonical, or answers OutOfRange with every bad field.
func Languages(given []string) ([]string, error) {
	var bad *fault.Error
	add := func(field, msg string) {
		if bad == nil {
			bad = fault.New(fault.OutOfRange, "%s %s", field, msg)
		}
		bad = bad.WithField(field, msg)
	}
	if len(given) > maxLanguages {
		add("languages", fmt.Sprintf("must be at most %d", maxLanguages))
	}
	tags := make([]string, 0, len(given))
	for i, l := range given[:min(len(given), maxLanguages)] {
		tag, err := language.Parse(l)
		if err != nil || len(l) > 35 || strings.Contains(l, "_") {
			add(fmt.Sprintf("languages[%d]", i), "is no BCP 47 language tag, such as en or de-AT")
			continue
		}
		if t := tag.String(); !slices.Contains(tags, t) {
			tags = append(tags, t)
		}
	}
	if bad != nil {
		return nil, bad
	}
	return tags, nil
}

// Configure applies what the configuration says (empty fields: nothing), where it
// differs from what it said the last time. So a changed flag takes effect, and an
// unchanged one does not undo what the operator set since.
func Configure(ctx context.Context, st Store, cfg Settings, now time.Time) error {
	return st.Update(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.Lock(ctx, LockIdentity); err != nil {
			return err
		}
		m, err := tx.Settings(ctx)
		if err != nil {
			return err
		}
		old := settingsOf(m)
		rows := old.rows()
		for name, value := range cfg.rows() {
			if value == "" || m[configuredPrefix+name] == value {
				continue
			}
			rows[name] = value
			if err := tx.PutSetting(ctx, configuredPrefix+name, value); err != nil {
				return err
			}
		}
		next, err := settingsOf(rows).Check()
		if err != nil {
			return err
		}
		return saveSettings(ctx, tx, m, old, next, Event{At: now, Actor: "configuration", Kind: "settings.changed"})
	})
}

// saveSettings writes what differs, with its audit line and announcements. rows
// is what is stored; a row that was never stored is written without an audit line.
func saveSettings(ctx context.Context, tx Tx, rows map[string]string, old, next Settings, e Event) error {
	var changes []string
	was := old.rows()
	for name, value := range next.rows() {
		stored, ok := rows[name]
		if ok && stored == value {
			continue
		}
		if err := tx.PutSetting(ctx, name, value); err != nil {
			return err
		}
		if was[name] != value {
			changes = append(changes, fmt.Sprintf("%s %q instead of %q", name, value, was[name]))
		}
	}
	items := []Announcement{{Kind: AnnounceSettings}}
	if was[rowController] != next.Controller {
		more, err := affected(ctx, tx)
		if err != nil {
			return err
		}
		items = append(items, more...)
	}
	if len(changes) > 0 {
		slices.Sort(changes)
		e.Detail = trust.Clean(strings.Join(changes, ", "), maxDetail)
		e, err := tx.AppendAudit(ctx, e)
		if err != nil {
			return err
		}
		items = append(items, auditAnnouncement(e))
	}
	return tx.Enqueue(ctx, items...)
}

// affected makes the sessions of approved clients ask again, so that a changed
// controller policy takes effect on them at once.
func affected(ctx context.Context, tx Tx) ([]Announcement, error) {
	ids, err := tx.Approved(ctx)
	if err != nil {
		return nil, err
	}
	items := make([]Announcement, 0, len(ids))
	for _, id := range ids {
		items = append(items, trustAnnouncement(id, trust.Approved, "policy", false))
	}
	return items, nil
}

// UpdateSettings changes what the request names; without any change it reads.
func (d *Desk) UpdateSettings(ctx context.Context, req *pb.UpdateSettingsRequest) (*pb.ServerSettings, error) {
	if req.Name == nil && !req.GetSetLanguages() && req.PairingPolicy == nil && req.ControllerPolicy == nil && req.RosterPolicy == nil {
		return d.Settings(ctx)
	}
	actor, err := checkActor(req.GetActor())
	if err != nil {
		return nil, err
	}
	var next Settings
	err = d.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.Lock(ctx, LockIdentity, LockOpen); err != nil {
			return err
		}
		m, err := tx.Settings(ctx)
		if err != nil {
			return err
		}
		old := settingsOf(m)
		next = old
		if req.Name != nil {
			next.Name = req.GetName()
		}
		if req.GetSetLanguages() {
			next.Languages = req.GetLanguages()
		}
		if req.PairingPolicy != nil {
			next.Policy = req.GetPairingPolicy()
		}
		if req.RosterPolicy != nil {
			next.Rosters = req.GetRosterPolicy()
		}
		if req.ControllerPolicy != nil {
			next.Controller = req.GetControllerPolicy()
		}
		if next, err = next.Check(); err != nil {
			return err
		}
		return saveSettings(ctx, tx, m, old, next, Event{At: d.now(), Actor: actor, Kind: "settings.changed"})
	})
	if err != nil {
		return nil, err
	}
	d.log(ctx, "").Info("settings.changed", "actor", actor, "server_name", next.Name, "policy", next.Policy, "controller_policy", next.Controller)
	d.Announcer.Flush(ctx)
	return d.Settings(ctx)
}

// Settings reads the settings, the identity and the server's roster.
func (d *Desk) Settings(ctx context.Context) (*pb.ServerSettings, error) {
	var out *pb.ServerSettings
	err := d.Store.View(ctx, func(ctx context.Context, tx Tx) error {
		s, err := LoadSettings(ctx, tx)
		if err != nil {
			return err
		}
		out = &pb.ServerSettings{Name: s.Name, Languages: s.Languages, PairingPolicy: s.Policy, ControllerPolicy: s.Controller, RosterPolicy: s.Rosters}
		return d.serverFacts(ctx, tx, out)
	})
	return out, err
}
