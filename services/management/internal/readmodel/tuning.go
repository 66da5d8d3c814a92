package readmodel

import (
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

func buildTuning(t *pb.ClientTuning) *model.Tuning {
	if t == nil {
		return nil
	}
	return &model.Tuning{
		VolumeMin: t.VolumeMin, VolumeMax: t.VolumeMax, VolumeStartup: t.VolumeStartup,
		Channels: t.GetChannels(), Equalizer: buildEqualizer(t.GetEqualizer()), PreferredFormat: buildFormat(t.GetFormat()), AutoStart: buildAutoStart(t.GetAutoStart()),
	}
}

func buildAutoStart(a *pb.AutoStart) *model.AutoStart {
	if a == nil {
		return nil
	}
	out := &model.AutoStart{GroupID: a.GetGroupId(), StopAfterMS: a.GetStopAfterMs()}
	if out.StopAfterMS == 0 {
		out.StopAfterMS = 30_000
	}
	return out
}

func buildEqualizer(e *pb.Equalizer) *model.Equalizer {
	if e == nil {
		return nil
	}
	out := &model.Equalizer{
		PreampDB: e.GetPreampDb(), Limiter: e.GetLimiter(), LimiterDB: e.GetLimiterDb(),
		Bands: make([]model.EqualizerBand, 0, len(e.GetBands())),
	}
	for _, b := range e.GetBands() {
		out.Bands = append(out.Bands, model.EqualizerBand{Kind: b.GetKind(), Frequency: b.GetFrequency(), GainDB: b.GetGainDb(), Q: b.GetQ()})
	}
	return out
}

func buildLimits(l *pb.VolumeLimits) *model.Limits {
	if l == nil {
		return nil
	}
	return &model.Limits{VolumeMin: l.GetMin(), VolumeMax: l.GetMax(), VolumeStartup: l.Startup}
}
