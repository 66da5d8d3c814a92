package management_test

import (
	"context"
	"slices"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// startSchedules stands in for the scheduler: it keeps what it is given.
func (f *fakes) startSchedules(s *bus.Service) {
	schedules, err := bus.OpenBucket[pb.Schedule](f.t.Context(), f.bus, subject.BucketSchedules, bus.BucketOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	days, err := bus.OpenBucket[pb.Holidays](f.t.Context(), f.bus, subject.BucketHolidays, bus.BucketOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	write := func(ctx context.Context, v *pb.Schedule) (*pb.ScheduleReply, error) {
		v.UpdatedAt = timestamppb.Now()
		_, err := schedules.Put(ctx, v.GetScheduleId(), v)
		return &pb.ScheduleReply{Schedule: v}, err
	}
	handle(f, s, subject.StreamSchedule, func(ctx context.Context, r *pb.ScheduleRequest) (*pb.ScheduleReply, error) {
		switch k := r.GetRequest().(type) {
		case *pb.ScheduleRequest_Put:
			v := k.Put
			if slices.ContainsFunc(v.GetDayparts(), func(d *pb.Daypart) bool { return d.GetName() == "Overlap" }) {
				return nil, fault.New(fault.OutOfRange, `the dayparts "A" and "Overlap" overlap`).WithField("body.dayparts[1]", "overlaps")
			}
			if v.GetScheduleId() == "" {
				v.ScheduleId = "s-" + v.GetGroupId()
				if _, _, err := schedules.Get(ctx, v.GetScheduleId()); err == nil {
					return nil, fault.New(fault.Conflict, "the zone has a schedule already")
				}
			}
			for _, d := range v.GetDayparts() {
				if d.GetDaypartId() == "" {
					d.DaypartId = "d-" + d.GetName()
				}
			}
			return write(ctx, v)
		case *pb.ScheduleRequest_Delete:
			return &pb.ScheduleReply{}, schedules.Delete(ctx, k.Delete)
		case *pb.ScheduleRequest_Skip:
			v, _, err := schedules.Get(ctx, k.Skip.GetScheduleId())
			if err != nil {
				return nil, err
			}
			v.SkipUntil = k.Skip.GetUntil()
			return write(ctx, v)
		case *pb.ScheduleRequest_Holidays:
			_, err := days.Put(ctx, subject.HolidaysKey, k.Holidays)
			return &pb.ScheduleReply{Holidays: k.Holidays}, err
		case *pb.ScheduleRequest_Preview:
			max := int32(30)
			return &pb.ScheduleReply{Events: []*pb.ScheduleEvent{
				{At: k.Preview.GetFrom(), Until: k.Preview.GetTo(), GroupId: k.Preview.GetGroupId(), ScheduleId: "s-x", Kind: "daypart", DaypartId: "d-Lunch", Name: "Lunch", Uri: "a.flac"},
				{At: k.Preview.GetFrom(), Until: k.Preview.GetTo(), GroupId: k.Preview.GetGroupId(), ScheduleId: "s-x", Kind: "quiet_hours", MaxVolume: &max, Holiday: "Christmas"},
			}}, nil
		}
		return nil, fault.New(fault.Invalid, "nothing that is known")
	})
}
