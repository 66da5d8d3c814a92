package health

import "time"

// hourSum is what the samples of one hour of the day add up to, over all days that are
// remembered.
type hourSum struct{ playing, weak int }

// byHour adds up the coarse steps of s by hour of the day at local, from step number from
// on.
func (s *Series) byHour(local *time.Location, from int64) (out [24]hourSum) {
	v := s.view.Load()
	first := v.coarseEnd - int64(len(v.coarse))
	for i, x := range v.coarse {
		if x.playing == 0 || first+int64(i) < from {
			continue
		}
		h := &out[time.UnixMilli((first+int64(i))*CoarseStep.Milliseconds()).In(local).Hour()]
		h.playing += int(x.playing)
		h.weak += int(x.weak)
	}
	return out
}
