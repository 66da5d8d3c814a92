package attempt

import (
	"context"
	"time"
)

// job is work that takes time. One runs at a time, in the order of the queue.
type job struct {
	bound time.Duration // on the real clock
	// keep: it is not cut short when the attempt ends.
	keep bool
	// void: it is not begun when the attempt has ended.
	void bool
	// run works on a goroutine of its own and touches nothing of the actor but what
	// does not change.
	run func(ctx context.Context) error
	// done runs on the actor's goroutine.
	done func(ctx context.Context, err error)

	cancel context.CancelFunc
	fin    chan struct{} // closed when err is there
	err    error
}

func (m *attempt) queue(j *job) { m.jobs = append(m.jobs, j) }

// next starts the next job when none runs.
func (m *attempt) next() {
	if m.busy != nil || len(m.jobs) == 0 {
		return
	}
	j := m.jobs[0]
	m.jobs = m.jobs[1:]
	ctx, cancel := context.WithTimeout(m.context(), j.bound)
	j.cancel, j.fin = cancel, make(chan struct{})
	m.busy = j
	m.work.Go(func() {
		defer cancel()
		j.err = j.run(ctx)
		close(j.fin)
		_ = m.self.Send(context.Background(), finished{j}) // fails only when we are ending
	})
}

// drain finishes what is queued when the actor ends, each job within a short time.
func (m *attempt) drain(ctx context.Context) {
	for {
		if m.busy == nil {
			m.next()
		}
		if m.busy == nil {
			return
		}
		j := m.busy
		select {
		case <-j.fin:
		case <-ctx.Done():
			j.cancel()
			<-j.fin
		case <-time.After(closeJob): // the real clock: the process is ending
			j.cancel()
			<-j.fin
		}
		m.busy = nil
		j.done(ctx, j.err)
	}
}
