package stream

import (
	"context"
	"fmt"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// seats opens the bucket of seats and reads what is in it. Only the director writes it.
func (s *Service) seats(ctx context.Context) (*bus.Bucket[tuttiv1.Seat, *tuttiv1.Seat], []*tuttiv1.Seat, error) {
	b, err := bus.OpenBucket[tuttiv1.Seat](ctx, s.d.Bus, subject.BucketSeats, bus.BucketOptions{History: 1})
	if err != nil {
		return nil, nil, fmt.Errorf("open the bucket of seats: %w", err)
	}
	keys, err := b.Keys(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("read the seats: %w", err)
	}
	var out []*tuttiv1.Seat
	for _, k := range keys {
		seat, _, err := b.Get(ctx, k)
		if fault.CodeOf(err) == fault.NotFound {
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read the seats: %w", err)
		}
		out = append(out, seat)
	}
	return b, out, nil
}

// watchPersonas tells the director of personas, those that are there already first.
func (a *directorActor) watchPersonas(ctx context.Context) (stop func(), err error) {
	b, err := bus.OpenBucket[tuttiv1.Persona](ctx, a.s.d.Bus, subject.BucketPersonas, bus.BucketOptions{})
	if err != nil {
		return nil, fmt.Errorf("open the bucket of personas: %w", err)
	}
	return b.Watch(ctx, ">", func(e bus.Entry[*tuttiv1.Persona]) {
		if e.Value != nil {
			_ = a.self.Send(ctx, personaNews{e.Value}) // fails only at the end
		}
	}, func() {})
}
