package ffmpeg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	probeTime   = 15 * time.Second
	maxProbeOut = 1 << 20
)

// Probe is what ffprobe says about a medium.
type Probe struct {
	Codec      string // ffmpeg's name, e.g. "aac"
	SampleRate int    // Hz
	Channels   int
	BitDepth   int               // of the audio before it was packed; 0: a lossy codec, which has none
	DurationUS int64             // 0 unknown
	Tags       map[string]string // lower-case names; those of the stream, then of the container
	HasCover   bool
}

// ffprobe's answer, as far as it matters.
type (
	probeOut struct {
		Streams []probeStream `json:"streams"`
		Format  struct {
			Duration string            `json:"duration"`
			Tags     map[string]string `json:"tags"`
		} `json:"format"`
	}
	probeStream struct {
		Type        string            `json:"codec_type"`
		Codec       string            `json:"codec_name"`
		SampleFmt   string            `json:"sample_fmt"`
		SampleRate  string            `json:"sample_rate"`
		Channels    int               `json:"channels"`
		Bits        int               `json:"bits_per_sample"`
		RawBits     string            `json:"bits_per_raw_sample"`
		Duration    string            `json:"duration"`
		Tags        map[string]string `json:"tags"`
		Disposition struct {
			AttachedPic int `json:"attached_pic"`
		} `json:"disposition"`
	}
)

// ErrNoAudio is the cause when a medium has no audio stream.
var ErrNoAudio = errors.New("it holds no audio")

// Inspect runs ffprobe on in, for at most 15 s.
func Inspect(ctx context.Context, t Tool, in Input) (Probe, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, probeTime, fmt.Errorf("ffprobe gave no answer within %v", probeTime))
	defer cancel()
	input, extra := in.args()
	args := []string{"-hide_banner", "-v", "error", "-max_alloc", strconv.Itoa(maxAlloc), "-of", "json", "-show_format", "-show_streams"}
	c, err := start(ctx, t.FFprobe, append(args, input...), in, extra, Limits{}.fill().Memory)
	if err != nil {
		return Probe{}, err
	}
	defer c.close()
	b, err := io.ReadAll(io.LimitReader(c.out, maxProbeOut+1))
	if ctx.Err() != nil {
		return Probe{}, context.Cause(ctx)
	}
	if err != nil || len(b) > maxProbeOut {
		return Probe{}, errors.New("ffprobe says too much about it")
	}
	if err := c.exit(probeTime); err != nil {
		return Probe{}, fmt.Errorf("ffmpeg cannot read it: %w", err)
	}
	return parseProbe(b)
}

func parseProbe(b []byte) (Probe, error) {
	var out probeOut
	if err := json.Unmarshal(b, &out); err != nil {
		return Probe{}, fmt.Errorf("ffprobe's answer cannot be read: %w", err)
	}
	p := Probe{Tags: map[string]string{}}
	addTags(p.Tags, out.Format.Tags)
	found := false
	for _, s := range out.Streams {
		p.HasCover = p.HasCover || s.Disposition.AttachedPic != 0
		if s.Type != "audio" || found {
			continue
		}
		found = true
		p.Codec, p.Channels = s.Codec, s.Channels
		p.SampleRate, _ = strconv.Atoi(s.SampleRate)
		p.BitDepth = depth(s)
		p.DurationUS = seconds(s.Duration)
		addTags(p.Tags, s.Tags)
	}
	if !found || p.SampleRate <= 0 || p.Channels <= 0 {
		return Probe{}, ErrNoAudio
	}
	if p.DurationUS == 0 {
		p.DurationUS = seconds(out.Format.Duration)
	}
	return p, nil
}

// depth is the bit depth of a lossless stream. ffmpeg leaves it out for most lossy
// codecs; of the others the planar float form tells.
func depth(s probeStream) int {
	if strings.HasPrefix(s.SampleFmt, "flt") || strings.HasPrefix(s.SampleFmt, "dbl") {
		if strings.HasPrefix(s.Codec, "pcm_") || s.Codec == "wavpack" {
			return 32
		}
		return 0
	}
	n, _ := strconv.Atoi(s.RawBits)
	if n = max(n, s.Bits); n == 0 {
		return 16
	}
	return n
}

func seconds(s string) int64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f > 0 && f < 1e9) {
		return 0
	}
	return int64(math.Round(f * 1e6))
}

func addTags(dst, src map[string]string) {
	for k, v := range src {
		dst[strings.ToLower(k)] = strings.ToValidUTF8(v, "?")
	}
}
