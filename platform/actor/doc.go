// Package actor is one goroutine with one bounded mailbox of typed messages.
//
// The handler owns the actor's state; no lock is needed and nobody else may touch
// it. make, Start, Handle and Close all run on the actor's goroutine, never two at
// once. Messages of one sender arrive in the order of their Sends.
//
// # A life
//
//	make(self) → Start → Handle, Handle, ... → Close
//
// The life ends when Handle returns ErrStop, when Stop is called or when the
// supervisor's context ends; messages still in the mailbox are then dropped, so
// who waits for an answer also waits for Done (Ask does). Requests that the handler
// holds are answered by its Close.
//
// An error of Start or Handle, or a panic, is a crash: it is logged with key and
// stack and counted, Close is called, and a new life begins after a backoff, with
// the mailbox as it is (without the message that crashed). Options.Restart says
// otherwise where a crash shall end the actor.
//
// From the moment the end begins, every Send returns ErrStopped, also those that
// are blocked: Close may wait for goroutines that send to this actor.
package actor
