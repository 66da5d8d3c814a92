package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/pipeline"
	"github.com/tutti-audio/tutti/services/stream/internal/speech"
)

// clip reads what is to be announced, as a whole: a medium, or spoken text.
func (s *Service) clip(ctx context.Context, a *tuttiv1.Announce) (*pipeline.Clip, error) {
	if a.GetText() != "" {
		src, err := speech.Say(ctx, a.GetText(), a.GetLanguage())
		if err != nil {
			return nil, err
		}
		return pipeline.ReadClip(ctx, src)
	}
	if name, ok := strings.CutPrefix(a.GetUri(), subject.ClipScheme); ok {
		return s.sentClip(ctx, name)
	}
	src, err := s.lib.Open(ctx, a.GetUri())
	if err != nil {
		return nil, err
	}
	return pipeline.ReadClip(ctx, src)
}

// maxSentBytes is more than a clip has that an operator may send in.
const maxSentBytes = 64 << 20

// sentClip reads a clip that an operator has sent in.
func (s *Service) sentClip(ctx context.Context, name string) (*pipeline.Clip, error) {
	data, err := s.d.Bus.Objects(subject.StoreClips).Get(ctx, name, maxSentBytes)
	switch fault.CodeOf(err) {
	case "":
	case fault.NotFound:
		return nil, errors.New("the clip is not there any more, clips are kept for an hour: send it again")
	default:
		return nil, fmt.Errorf("the clip cannot be read now: %w; try again in a moment", err)
	}
	src, err := s.lib.OpenBytes(ctx, data, "the clip")
	if err != nil {
		return nil, err
	}
	return pipeline.ReadClip(ctx, src)
}

// streamOf asks a session how its stream does.
func (s *Service) streamOf(ctx context.Context, clientID string) (*tuttiv1.StreamStatus, error) {
	reply := &tuttiv1.SessionReply{}
	err := s.d.Bus.Request(ctx, subject.Session(clientID), &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_StreamQuery{StreamQuery: &tuttiv1.Empty{}}}, reply)
	return reply.GetStream(), err
}
