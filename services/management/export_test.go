package management

import "time"

// SetEffectTimeout has answers wait for d at most until the read model shows what was done.
// It is to be called before Run.
func (s *Service) SetEffectTimeout(d time.Duration) { s.effectTimeout = d }
