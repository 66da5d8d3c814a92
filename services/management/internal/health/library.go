package health

import (
	"context"
	"sync"
	"time"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

const (
	// libraryEvery is how often the stream service is asked about its library.
	libraryEvery = time.Minute
	// libraryPatience is how long its answer may take.
	libraryPatience = 4 * time.Second
)

// libraryWatch knows how the library does. The actor's goroutine alone uses it; what it
// starts answers by a message.
type libraryWatch struct {
	status *model.LibraryStatus
	next   time.Time
	busy   bool
	end    context.CancelFunc
	wait   sync.WaitGroup
}

// ask asks, when it is time, without waiting.
func (w *libraryWatch) ask(o Options, self *actor.Ref[message], now time.Time) {
	if o.Library == nil || w.busy || now.Before(w.next) {
		return
	}
	w.busy, w.next = true, now.Add(libraryEvery)
	ctx, cancel := context.WithTimeout(context.Background(), libraryPatience)
	w.end = cancel
	w.wait.Go(func() {
		defer cancel()
		status, err := o.Library(ctx)
		if err != nil {
			status = nil // that the service is missing is another finding
		}
		_ = self.Send(context.WithoutCancel(ctx), libraryMsg{status}) // fails only when the service has stopped
	})
}

func (w *libraryWatch) take(status *model.LibraryStatus) {
	w.busy = false
	if status != nil {
		w.status = status
	}
}

// stop ends what runs, and waits for it.
func (w *libraryWatch) stop() {
	if w.end != nil {
		w.end()
	}
	w.wait.Wait()
	w.busy = false
}
