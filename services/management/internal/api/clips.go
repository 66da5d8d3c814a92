package api

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

const (
	// MaxClip is the largest clip that can be sent in, in bytes: a quarter of an hour of
	// speech as browsers record it, a minute and a half of a CD.
	MaxClip = 16 << 20
	// ClipTTL is how long a clip is kept.
	ClipTTL = time.Hour
	// MaxClips bounds all clips of the deployment together, in bytes.
	MaxClips = 128 << 20
	// clipPatience is how long the way of a clip to the server may take: a phone at the
	// edge of the Wi-Fi.
	clipPatience = 2 * time.Minute
)

// Clips is where clips are kept.
type Clips interface {
	Put(ctx context.Context, name string, data []byte) error
	Stat(ctx context.Context, name string) (size int64, put time.Time, err error)
}

type sendClip struct {
	ContentType string `header:"Content-Type" doc:"audio/… or application/octet-stream. The content itself tells its format."`
	RawBody     []byte `contentType:"application/octet-stream"`
}

func (a *API) clipRoutes() {
	register(a, route{
		id: "send-clip", method: http.MethodPost, path: "/api/v1/clips", tag: tagPlay, role: auth.RoleOperator, status: http.StatusCreated,
		summary: "Send a clip for an announcement",
		doc: "The body is the audio itself, at most 16 MiB: WAV, FLAC and MP3, and where ffmpeg is installed also what browsers record (WebM, MP4, Ogg). " +
			"Announce it by its `uri`, in any group, within an hour; it cannot be played as music. 409 when too many clips are kept. An announcement says when its clip cannot be decoded.",
		errors: []int{http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity},
		raw:    MaxClip, patience: clipPatience,
	}, a.sendClip)
}

func (a *API) sendClip(ctx context.Context, in *sendClip) (*body[model.Clip], error) {
	if err := clipContent(in.ContentType, in.RawBody); err != nil {
		return nil, err
	}
	name := newClip()
	sent := a.d.Clock.Now()
	switch err := a.d.Clips.Put(ctx, name, in.RawBody); fault.CodeOf(err) {
	case "":
	case fault.Conflict:
		return nil, fault.Wrap(fault.Conflict, err, "there is no room for another clip: each is kept for an hour; try again later, or announce a file of the music folder")
	default:
		return nil, fault.Wrap(fault.Unavailable, err, "the clip cannot be kept now: try again in a moment")
	}
	a.act(ctx, "clip.sent", "", fmt.Sprintf("%d bytes", len(in.RawBody)))
	return answer(model.Clip{URI: subject.ClipScheme + name, Size: int64(len(in.RawBody)), ExpiresAt: sent.Add(ClipTTL).UTC().Truncate(time.Second)}), nil
}

// clipContent refuses what is no audio, as far as its label and its first bytes tell.
// Whether it can be decoded, the announcement says.
func clipContent(label string, data []byte) error {
	kind, _, err := mime.ParseMediaType(label)
	if err != nil || !strings.HasPrefix(kind, "audio/") && kind != "application/octet-stream" {
		return badField("header.Content-Type", fmt.Sprintf("%q is no audio: send audio/… or application/octet-stream", clip(label)))
	}
	is, _, _ := mime.ParseMediaType(http.DetectContentType(data))
	for _, no := range []string{"text/", "image/", "application/pdf", "application/zip", "application/x-gzip", "font/"} {
		if strings.HasPrefix(is, no) {
			return badField("body", fmt.Sprintf("is no audio, it looks like %s: send WAV, FLAC, MP3, Ogg, WebM or MP4", is))
		}
	}
	return nil
}

// knownClip says what is wrong with the address of a clip that is to be announced; nil for
// other addresses.
func (a *API) knownClip(ctx context.Context, uri string) error {
	name, ok := strings.CutPrefix(uri, subject.ClipScheme)
	if !ok {
		return nil
	}
	switch _, _, err := a.d.Clips.Stat(ctx, name); fault.CodeOf(err) {
	case "":
		return nil
	case fault.NotFound:
		return badField("body.uri", fmt.Sprintf("there is no clip %q: clips are kept for an hour; send it again (POST /api/v1/clips)", clip(name)))
	default:
		return fault.Wrap(fault.Unavailable, err, "the clip cannot be looked for now: try again in a moment")
	}
}

// newClip names a clip: whoever does not know the name cannot guess it.
func newClip() string {
	var b [15]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}
