package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tutti-audio/tutti/platform/fault"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// formatChoice is preferred_format of a PATCH: absent, null (the device decides
// again) or a format.
type formatChoice struct {
	set    bool
	format *model.AudioFormat
}

// UnmarshalJSON tells null from absent.
func (f *formatChoice) UnmarshalJSON(b []byte) error {
	*f = formatChoice{set: true}
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	f.format = &model.AudioFormat{}
	return json.Unmarshal(b, f.format)
}

// Schema implements huma.SchemaProvider.
func (formatChoice) Schema(r huma.Registry) *huma.Schema {
	s := huma.SchemaFromType(r, reflect.TypeFor[model.AudioFormat]())
	s.Nullable = true
	s.Description = "One of the player's supported_formats, which it is sent from now on; null lets the device's own preference count again."
	return s
}

// check says why c cannot be sent the format, or nil.
func (f formatChoice) check(c *model.Client) error {
	const field = "body.preferred_format"
	switch {
	case !f.set || f.format == nil:
		return nil
	case c.Player == nil:
		return fault.New(fault.Conflict, "%s is no player (its roles: %s), so it has no format", c.DisplayName(), words(c.SupportedRoles))
	case !slices.Contains(c.Player.SupportedFormats, *f.format):
		return badField(field, fmt.Sprintf("%s does not support it; its supported_formats: %s", c.DisplayName(), formatWords(c.Player.SupportedFormats)))
	}
	return nil
}

// shownBy reports whether c shows the choice. Null shows as what the device prefers,
// which nobody knows.
func (f formatChoice) shownBy(c *model.Client) bool {
	return f.format == nil || c.Player == nil || c.Player.PreferredFormat != nil && *c.Player.PreferredFormat == *f.format
}

func formatWords(formats []model.AudioFormat) string {
	out := make([]string, 0, len(formats))
	for _, f := range formats {
		out = append(out, formatText(f))
	}
	return words(out)
}

func formatText(f model.AudioFormat) string {
	return strings.ToLower(clip(f.Codec)) + fmt.Sprintf(":%d:%d:%d", f.SampleRate, f.BitDepth, f.Channels)
}

// apply puts the choice into t and says what was chosen.
func (f formatChoice) apply(t *pb.ClientTuning) (says string) {
	if f.format == nil {
		t.Format = nil
		return "the device's own format"
	}
	t.Format = &pb.AudioFormat{
		Codec: f.format.Codec, SampleRate: f.format.SampleRate, Channels: f.format.Channels, BitDepth: f.format.BitDepth,
	}
	return "format " + formatText(*f.format)
}
