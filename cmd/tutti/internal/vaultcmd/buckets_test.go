package vaultcmd

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/proto/backup"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// A restored group begins without the fences of the deployment that it comes from, and
// keeps everything else, also what this version does not know.
func TestFencesStayInTheirDeployment(t *testing.T) {
	data, err := proto.Marshal(&tuttiv1.Group{GroupId: "g", Name: "Hall", Members: []string{"a"}, Fence: 4711, InstanceId: "old", DirectorFence: 12, SchedulerFence: 13})
	if err != nil {
		t.Fatal(err)
	}
	data = append(data, 0xfa, 0x7f, 1, 'x') // field 2047 of a later version
	out, err := foreign(backup.Entry{Bucket: subject.BucketGroups, Key: "g", Data: data})
	if err != nil {
		t.Fatal(err)
	}
	g := &tuttiv1.Group{}
	if err := proto.Unmarshal(out, g); err != nil {
		t.Fatal(err)
	}
	if g.Fence != 0 || g.DirectorFence != 0 || g.SchedulerFence != 0 || g.InstanceId != "" {
		t.Errorf("fences came along: %v", g)
	}
	if g.Name != "Hall" || len(g.Members) != 1 || len(g.ProtoReflect().GetUnknown()) == 0 {
		t.Errorf("something was lost: %v", g)
	}
	other := backup.Entry{Bucket: subject.BucketTuning, Data: []byte{1, 2, 3}}
	if out, err := foreign(other); err != nil || string(out) != string(other.Data) {
		t.Errorf("another bucket's entry is touched: %v, %v", out, err)
	}
	if _, err := foreign(backup.Entry{Bucket: subject.BucketGroups, Data: []byte{0xff}}); err == nil {
		t.Error("what is no group was taken")
	}
}
