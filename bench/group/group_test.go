package group

import "testing"

// The last stage is what the issue asks for: every role that a group feeds, ten renditions.
func TestStagesGrowToTenRenditionsAndEveryRole(t *testing.T) {
	stages := Stages()
	formats, roles := map[string]bool{}, map[string]bool{}
	last := stages[len(stages)-1].Devices
	for _, d := range last {
		for _, r := range d.Roles {
			roles[r] = true
		}
		if d.Format.Codec != "" {
			formats[d.Format.String()] = true
		}
	}
	if len(formats) != 10 || len(roles) != 6 {
		t.Errorf("%d renditions and %d roles, want 10 and 6", len(formats), len(roles))
	}
	for i, st := range stages[1:] {
		before := stages[i].Devices
		if len(st.Devices) <= len(before) || st.Devices[len(before)-1].Name != before[len(before)-1].Name {
			t.Errorf("stage %q does not begin with the devices of the one before", st.Name)
		}
	}
	for _, d := range last {
		if _, err := d.client(); err != nil {
			t.Errorf("%s: %v", d.Name, err)
		}
	}
}
