package readmodel

import (
	"cmp"
	"slices"
	"strings"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// Gateway is where one session-gateway listens for Sendspin devices.
type Gateway struct {
	InstanceID string
	// Host and BootID tell whether it runs on this machine.
	Host, BootID string
	Port         uint16
	Path         string
	// Addresses are those of its host, without a port; the loopback address is not among them.
	Addresses []string
}

// buildGateways lists the gateways that listen, the newest first.
func (s *state) buildGateways() []Gateway {
	var live []*pb.Instance
	for _, v := range s.instances {
		if v.GetService() == "session-gateway" && v.GetSendspinPort() > 0 && v.GetSendspinPort() <= 65535 {
			live = append(live, v)
		}
	}
	slices.SortFunc(live, func(a, b *pb.Instance) int {
		return cmp.Or(b.GetStartedAt().AsTime().Compare(a.GetStartedAt().AsTime()), strings.Compare(a.GetInstanceId(), b.GetInstanceId()))
	})
	out := make([]Gateway, 0, len(live))
	for _, v := range live {
		path := v.GetSendspinPath()
		if path == "" {
			path = "/sendspin"
		}
		out = append(out, Gateway{
			InstanceID: v.GetInstanceId(), Host: v.GetHost(), BootID: v.GetBootId(),
			Port: uint16(v.GetSendspinPort()), Path: path, Addresses: v.GetAddresses(),
		})
	}
	return out
}
