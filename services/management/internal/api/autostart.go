package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tutti-audio/tutti/platform/fault"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// defaultStopAfterMS is what the stream service waits where nothing is said.
const defaultStopAfterMS = 30_000

// autoStartChoice is auto_start of a PATCH: absent, null (off) or a group.
type autoStartChoice struct {
	set   bool
	value *autoStartBody
}

// autoStartBody is model.AutoStart with the time left out at will.
type autoStartBody struct {
	GroupID     string `json:"group_id" minLength:"1" maxLength:"64" doc:"The group that plays the source."`
	StopAfterMS int64  `json:"stop_after_ms,omitempty" minimum:"1000" maximum:"3600000" doc:"Silence until the group stops; 30000 when left out."`
}

// UnmarshalJSON tells null from absent.
func (c *autoStartChoice) UnmarshalJSON(b []byte) error {
	*c = autoStartChoice{set: true}
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	c.value = &autoStartBody{}
	return json.Unmarshal(b, c.value)
}

// Schema implements huma.SchemaProvider.
func (autoStartChoice) Schema(r huma.Registry) *huma.Schema {
	s := *huma.SchemaFromType(r, reflect.TypeFor[autoStartBody]())
	s.Nullable = true
	s.Description = "Of a source that senses its line: the group that plays it as soon as there is a signal. What that played stays paused when the source is silent again. null: off."
	return &s
}

// check says why c cannot start by itself, or nil. group looks a group up.
func (c autoStartChoice) check(to *model.Client, group func(id string) (*pb.Group, error)) error {
	if c.value == nil {
		return nil
	}
	if to.Source == nil {
		return fault.New(fault.Conflict, "%s is no source (its roles: %s), so it has no signal to start by", to.DisplayName(), words(to.SupportedRoles))
	}
	if _, err := group(c.value.GroupID); err != nil {
		return badField("body.auto_start.group_id", fmt.Sprintf("there is no group %q", clip(c.value.GroupID)))
	}
	return nil
}

func (c autoStartChoice) proto() *pb.AutoStart {
	if c.value == nil {
		return nil
	}
	return &pb.AutoStart{GroupId: c.value.GroupID, StopAfterMs: c.value.StopAfterMS}
}

// says is the choice for the ledger.
func (c autoStartChoice) says() string {
	if c.value == nil {
		return "no auto_start"
	}
	return "auto_start in group " + c.value.GroupID
}

func (c autoStartChoice) shownBy(v *model.AutoStart) bool {
	switch {
	case !c.set:
		return true
	case c.value == nil || v == nil:
		return (c.value == nil) == (v == nil)
	}
	ms := c.value.StopAfterMS
	if ms == 0 {
		ms = defaultStopAfterMS
	}
	return v.GroupID == c.value.GroupID && v.StopAfterMS == ms
}
