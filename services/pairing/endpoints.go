package pairing

import (
	"context"
	"errors"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
)

// serve adds the endpoints. They answer from the first moment: until the desk is
// open, Unavailable with the reason.
func (s *Service) serve() (*bus.Service, error) {
	svc, err := s.deps.Bus.NewService("pairing", s.cfg.Version, s.cfg.InstanceID)
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		handle(s, svc, subject.PairingIdentity, (*desk.Desk).Identity),
		handle(s, svc, subject.PairingCredential, (*desk.Desk).Credential),
		handle(s, svc, subject.PairingAdmit, (*desk.Desk).Admit),
		handle(s, svc, subject.PairingApprove, (*desk.Desk).Approve),
		handle(s, svc, subject.PairingDeny, (*desk.Desk).Deny),
		handle(s, svc, subject.PairingBlock, (*desk.Desk).Block),
		handle(s, svc, subject.PairingRevoke, (*desk.Desk).Revoke),
		handle(s, svc, subject.PairingUnpair, (*desk.Desk).Unpair),
		handle(s, svc, subject.PairingForget, (*desk.Desk).Forget),
		handle(s, svc, subject.PairingLabel, (*desk.Desk).Label),
		handle(s, svc, subject.PairingReport, (*desk.Desk).Report),
		handle(s, svc, subject.PairingSettings, (*desk.Desk).UpdateSettings),
		handle(s, svc, subject.PairingPersona, (*desk.Desk).Persona),
		handle(s, svc, subject.PairingRotateKey, (*desk.Desk).RotateServerKey),
		handle(s, svc, subject.PairingAuditAppend, (*desk.Desk).AppendAudit),
		handle(s, svc, subject.PairingAuditList, (*desk.Desk).ListAudit),
		handle(s, svc, subject.PairingAuditVerify, (*desk.Desk).VerifyAudit),
		bus.Handle[pb.SnapshotRequest, pb.SnapshotPage](svc, subject.PairingSnapshot, s.snapshot),
		handle(s, svc, subject.PairingEnrolments, (*desk.Desk).ListEnrolments),
		handle(s, svc, subject.PairingEnrolRemove, (*desk.Desk).RemoveEnrolment),
		s.serveAttempts(svc),
	)
	if err != nil {
		return nil, errors.Join(err, svc.Stop())
	}
	return svc, nil
}

// handle binds one method of the desk to its subject.
func handle[Req, Resp any, PReq interface {
	*Req
	proto.Message
}, PResp interface {
	*Resp
	proto.Message
}](s *Service, svc *bus.Service, subj string, method func(*desk.Desk, context.Context, PReq) (PResp, error)) error {
	return bus.Handle[Req, Resp](svc, subj, func(ctx context.Context, req PReq) (PResp, error) {
		d, err := s.state.open()
		if err != nil {
			return nil, err
		}
		return method(d, ctx, req)
	})
}

// snapshot hands out everything, for a backup.
func (s *Service) snapshot(ctx context.Context, req *pb.SnapshotRequest) (*pb.SnapshotPage, error) {
	if _, err := s.state.open(); err != nil {
		return nil, err
	}
	return s.state.shots.Load().Snapshot(ctx, req)
}
