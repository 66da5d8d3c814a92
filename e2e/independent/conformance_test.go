package independent

import (
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// TestConformance asks one running server everything. The parts wait far more
// than they work, so they run at once.
func TestConformance(t *testing.T) {
	dir := t.TempDir()
	music := makeMusic(t, dir)
	s := harness.StartServer(t, "embedded", harness.Options{Music: dir, Args: []string{"--controller-policy", "approved"}})
	for _, c := range []struct {
		name string
		test func(*testing.T, *harness.Server)
	}{
		{"opening", testOpening},
		{"init failures", testInitFailures},
		{"odd inits", testOddInits},
		{"silent failures", testSilentFailures},
		{"before activation", testBeforeActivation},
		{"transport", testTransport},
		{"fragments", testFragments},
		{"ignored", testIgnored},
		{"time", testTime},
		{"liveness", testLiveness},
		{"goodbye", testGoodbye},
		{"support object", testSupportObject},
		{"half open", testHalfOpen},
		{"bad displays", testBadDisplays},
		{"unapproved source", testUnapprovedSource},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, s) })
	}
	for _, c := range []struct {
		name string
		test func(*testing.T, *harness.Server, library)
	}{
		{"group plays", testGroupPlays},
		{"transitions", testTransitions},
		{"seeking", testSeeking},
		{"format change", testFormatChange},
		{"small buffers", testSmallBuffers},
		{"odd players", testOddPlayers},
		{"unapproved", testUnapproved},
		{"revoked", testRevoked},
		{"leaving", testLeaving},
		{"replaced", testReplaced},
		{"volume", testVolume},
		{"controller", testController},
		{"dialled", testDialled},
		{"odd tags", testOddTags},
		{"displays", testDisplays},
		{"source", testSource},
		{"impostors", testImpostors},
		{"man in the middle", testMiddle},
		{"many at once", testManyAtOnce},
		{"server pings", testServerPings},
		{"leads", testLeads},
		{"monkey", testMonkey},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, s, music)
		})
	}
}
