package stream

import (
	"context"

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
	src, err := s.lib.Open(ctx, a.GetUri())
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
