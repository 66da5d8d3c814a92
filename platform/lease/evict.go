package lease

import (
	"context"
	"fmt"
)

// EvictAll deletes every lease and every life, so that what a killed process held
// is free at once and not after the TTL. Only a process that knows that no other
// one is alive may call it (Options.Alone), before it acquires anything: `tutti serve`
// on its embedded bus does, under the lock on its data directory. Fences go on growing.
func (m *Manager) EvictAll(ctx context.Context) error {
	for _, b := range []*bucket{m.b, m.lives} {
		keys, err := b.Keys(ctx)
		if err != nil {
			return fmt.Errorf("lease: list what a former process held: %w", err)
		}
		for _, k := range keys {
			if err := b.Delete(ctx, k); err != nil {
				return fmt.Errorf("lease: evict %s: %w", k, err)
			}
		}
	}
	return nil
}
