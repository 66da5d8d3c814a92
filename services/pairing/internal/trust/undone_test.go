package trust

import "testing"

// TestAnUndonePairingUndoesNoDecision: what operators decided while the attempt ended
// stays, and a warning that the pairing had settled is held again.
func TestAnUndonePairingUndoesNoDecision(t *testing.T) {
	before := *client(func(c *Client) { c.Paired = true })
	done, err := before.PairedNow(t0)
	if err != nil {
		t.Fatal(err)
	}
	unpaired, _, err := done.Unpair(t0)
	if err != nil {
		t.Fatal(err)
	}
	if got := unpaired.PairUndone(before); got.Paired || !got.Unpairing || got.State() != Unapproved {
		t.Errorf("the earlier record works again after an unpair: %+v", got)
	}
	stranger := *client(func(c *Client) { c.Warning = WarnNameReused })
	if done, err = stranger.PairedNow(t0); err != nil {
		t.Fatal(err)
	}
	if got := done.PairUndone(stranger); got.Warning != WarnNameReused || !got.Open() {
		t.Errorf("taken back: %+v", got)
	}
	blocked, _ := done.Block(t0)
	if got := blocked.PairUndone(stranger); !got.Blocked() || got.Warning != WarnNameReused {
		t.Errorf("blocked, then taken back: %+v", got)
	}
}
