package discovery

import (
	"context"

	"github.com/tutti-audio/tutti/platform/fault"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/discovery/internal/book"
	"github.com/tutti-audio/tutti/services/discovery/internal/record"
)

// requests answers the bus.
type requests struct{ book *book.Book }

func (r requests) add(ctx context.Context, req *tuttiv1.AddStaticRequest) (*tuttiv1.Sighting, error) {
	u, err := record.ParseURL(req.GetUrl())
	if err != nil {
		return nil, err
	}
	return r.book.Add(ctx, u)
}

func (r requests) remove(ctx context.Context, req *tuttiv1.RemoveStaticRequest) (*tuttiv1.Empty, error) {
	url := req.GetUrl()
	if req.GetKey() == "" {
		if url == "" {
			return nil, fault.New(fault.Invalid, "say which device address: a key or a url")
		}
		u, err := record.ParseURL(url)
		if err != nil {
			return nil, err
		}
		url = u
	}
	return &tuttiv1.Empty{}, r.book.Remove(ctx, req.GetKey(), url)
}

func (r requests) list(ctx context.Context, _ *tuttiv1.ListSightingsRequest) (*tuttiv1.ListSightingsResponse, error) {
	l, err := r.book.List(ctx)
	return &tuttiv1.ListSightingsResponse{Sightings: l}, err
}
