package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// channelsChoice is channels of a PATCH: absent, null (as the source has them) or a mode.
type channelsChoice struct {
	set  bool
	mode string // "": none
}

// UnmarshalJSON tells null from absent.
func (c *channelsChoice) UnmarshalJSON(b []byte) error {
	*c = channelsChoice{set: true}
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	if err := json.Unmarshal(b, &c.mode); err != nil {
		return err
	}
	if c.mode == stereo { // what is there without a choice
		c.mode = ""
	}
	return nil
}

const stereo = "stereo"

// Schema implements huma.SchemaProvider.
func (channelsChoice) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Enum: []any{stereo, "mono", "left", "right", nil}, Nullable: true}
}

// equalizerChoice is equalizer of a PATCH: absent, null (off) or a whole equalizer.
type equalizerChoice struct {
	set   bool
	value *model.Equalizer
}

// UnmarshalJSON tells null from absent.
func (e *equalizerChoice) UnmarshalJSON(b []byte) error {
	*e = equalizerChoice{set: true}
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	e.value = &model.Equalizer{}
	return json.Unmarshal(b, e.value)
}

// Schema implements huma.SchemaProvider.
func (equalizerChoice) Schema(r huma.Registry) *huma.Schema {
	s := *huma.SchemaFromType(r, reflect.TypeFor[equalizerBody]())
	s.Nullable = true
	s.Description = "The whole equalizer; null turns it off."
	return &s
}

// equalizerBody is model.Equalizer with everything but the bands left out at will.
type equalizerBody struct {
	PreampDB  float64               `json:"preamp_db,omitempty" minimum:"-24" maximum:"12" doc:"Gain in front of the bands; 0 when left out."`
	Bands     []model.EqualizerBand `json:"bands,omitempty" nullable:"false" maxItems:"10"`
	Limiter   bool                  `json:"limiter,omitempty" doc:"Whether peaks are held at limiter_db. Without it, what a boost drives over full scale clips."`
	LimiterDB float64               `json:"limiter_db,omitempty" minimum:"-24" maximum:"0" doc:"dB below full scale; 0 when left out."`
}

// proto is the choice on the bus; nil when it is off or does nothing.
func (e equalizerChoice) proto() *pb.Equalizer {
	v := e.value
	if v == nil {
		return nil
	}
	out := &pb.Equalizer{PreampDb: v.PreampDB, Limiter: v.Limiter, LimiterDb: v.LimiterDB}
	for _, b := range v.Bands {
		out.Bands = append(out.Bands, &pb.EqualizerBand{Kind: b.Kind, Frequency: b.Frequency, GainDb: b.GainDB, Q: b.Q})
	}
	if proto.Equal(out, &pb.Equalizer{}) {
		return nil
	}
	return out
}

// says is the choice for the ledger.
func (e equalizerChoice) says() string {
	p := e.proto()
	if p == nil {
		return "no equalizer"
	}
	out := fmt.Sprintf("equalizer of %d bands", len(p.GetBands()))
	if p.GetLimiter() {
		out += fmt.Sprintf(", limiter at %g dB", p.GetLimiterDb())
	}
	return out
}

func (e equalizerChoice) shownBy(v *model.Equalizer) bool {
	if !e.set {
		return true
	}
	shown := equalizerChoice{value: v}
	return proto.Equal(e.proto(), shown.proto())
}

func (c channelsChoice) says() string {
	if c.mode == "" {
		return "channels " + stereo
	}
	return "channels " + c.mode
}

func (c channelsChoice) shownBy(mode string) bool {
	if mode == stereo {
		mode = ""
	}
	return !c.set || c.mode == mode
}

// encodes says why the stream service cannot make the format of a choice, or nil.
func (a *API) encodes(ctx context.Context, f formatChoice) error {
	if f.format == nil || slices.Contains(always, f.format.Codec) {
		return nil
	}
	s := &pb.LibraryStatus{}
	if err := a.askAny(ctx, "stream", subject.StreamLibraryStatus, &pb.LibraryStatusRequest{}, s); err != nil {
		return err
	}
	if codecs := s.GetEncoders(); !slices.Contains(codecs, f.format.Codec) {
		return badField("body.preferred_format", fmt.Sprintf("this server does not encode %s; it does %s", clip(f.format.Codec), words(codecs)))
	}
	return nil
}

// always are the codecs that every server makes (specification, player@v1 support object).
var always = []string{"flac", "pcm"}
