package readmodel

import (
	"reflect"
	"slices"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// BuildPairing renders an attempt.
func BuildPairing(v *pb.PairingAttempt) *model.Pairing {
	p := &model.Pairing{
		ClientID: v.GetClientId(), AttemptID: v.GetAttemptId(), State: v.GetState(),
		Method: v.GetMethod(), Format: v.GetFormat(), Round: v.GetRound(), CodeLength: v.GetCodeLength(),
		Reason: v.GetReason(), Detail: v.GetDetail(), Actor: v.GetActor(),
	}
	if t := at(v.GetStartedAt()); t != nil {
		p.StartedAt = *t
	}
	if p.State == model.PairingPending {
		p.Message = v.GetMessage()
	}
	p.ExpiresAt = at(v.GetExpiresAt())
	return p
}

// flushPairings folds the changed attempts in. What changed in nothing that is shown
// is no change. An entry that goes (its client was forgotten) needs no event:
// client.removed tells of it.
func (s *state) flushPairings(prev *Snapshot) ([]*model.Pairing, []change) {
	out := slices.Clone(prev.Pairings)
	var changes []change
	for _, id := range sortedKeys(s.dirtyPairings) {
		i, known := slices.BinarySearchFunc(out, id, pairingByClientID)
		v := s.pairings[id]
		if v == nil {
			if known {
				out = slices.Delete(out, i, i+1)
			}
			continue
		}
		p := BuildPairing(v)
		p.ClientID = id
		switch {
		case !known:
			out = slices.Insert(out, i, p)
		case reflect.DeepEqual(out[i], p):
			continue
		default:
			out[i] = p
		}
		changes = append(changes, change{kind: EventPairingUpdated, id: id})
	}
	clear(s.dirtyPairings)
	return out, changes
}
