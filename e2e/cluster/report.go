package cluster

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// Setting says how the numbers of a report came about.
type Setting struct {
	Players, Groups int
	Link            Link
	Took            time.Duration
}

// Report writes the table of docs/failover.md.
func Report(file string, s Setting, rows []Row) error {
	var b strings.Builder
	fmt.Fprintf(&b, `# Fail-over, measured

This page is written by `+"`make test-cluster`"+` (`+"`e2e/cluster`"+`,
[0041](adr/0041-cluster-test.md)); do not edit it.

Three hosts, which are network namespaces with links of %s ± %s one way and %.2g %% loss:
each has a NATS node, a gateway and a stream instance; pairing, management and discovery run on
two of them, PostgreSQL on a fourth. Services sign in to NATS with a key of their own, over TLS. %d virtual players with %d s of buffer each, in %d groups, play
buffered media of %d Hz while one thing after the other goes wrong. All of it shares
%d CPU cores, where %.0f tasks were ready to run at the end (load average); the run took %s.

| fault | silent players | longest silence | median | dial in | at once | line-in | lost | repeated | music after | orders after | two owners | fenced | crashes | trust lost |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
`, s.Link.Delay, s.Link.Jitter, s.Link.Loss*100, s.Players, BufferSeconds, s.Groups, rate, runtime.NumCPU(), loadAverage(), s.Took.Round(time.Second))
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %d of %d | %s | %s | %s | %s | %s | %d | %d | %s | %s | %d | %.0f | %d | %d |\n",
			r.Name, r.Players, s.Players, seconds(r.Longest), seconds(r.Median), seconds(r.DialIn), seconds(r.Strict), seconds(r.Live), r.Lost, r.Repeated,
			seconds(r.Music), seconds(r.Orders), r.TwoOwners, r.Fenced, r.Crashes, r.TrustLost)
	}
	broken := false
	for _, r := range rows {
		for _, promise := range r.Broken() {
			if !broken {
				b.WriteString("\nWhat was not as it should be in this run:\n\n")
			}
			broken = true
			fmt.Fprintf(&b, "- %s\n", promise)
		}
	}
	b.WriteString(`
How to read it:

- **longest silence**: of the worst player that gateways dial; **dial in**: of the worst that
  dials in by itself, one in five, who has to notice that its gateway is gone; **median**: of all. They are for
  players that play on what they hold when their connection is lost, as ` + "`tutti player`" + ` does;
  **at once**: the longest silence of a player that stops when its connection is lost.
- A host that is cut off, and a NATS node that is killed, may take the leader of the leases along;
  NATS chooses another after 4 to 9 s, and until then nobody can take over from anybody. Players go on
  from what gateways hold of their tapes; those of the host that was cut off, line-ins and orders wait.
- When the host comes back, its NATS node has counted elections alone, and the others hold one more:
  leases and tapes may be without a leader for as long again. Line-ins are heard in between, or not.
- **lost**, **repeated**: samples of all players that were skipped, or heard again, where
  there was no silence in their place. Every frame of the music says which one it is.
- **rolling restart**: every instance in turn is sent SIGTERM, leaves, and is started again; the
  next one follows when it has been ready for 5 s (minReadySeconds of the manifests).
- **crashes**: processes that ended by themselves and were started again, which is never right; above is
  what they said last.
- **line-in**: the longest silence of players that hear a line-in, whose source dials in and
  may lose its own gateway.
- **music after**: until every player had half its buffer ahead again, for good; **orders after**:
  the longest time for which a group took no order through the API.
- **two owners**: moments of 50 ms in which players of one group heard different music.
- **fenced**: messages of owners whose lease had passed on, which receivers dropped.
- **trust lost**: records of the database (approvals, pairings with their keys, the server's identity) that
  were not there afterwards as they were, or clients that the API did not show as trusted.
`)
	return os.WriteFile(file, []byte(b.String()), 0o644)
}

// loadAverage is that of the last 15 minutes, 0 where the system does not tell.
func loadAverage() float64 {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	var one, five, fifteen float64
	_, _ = fmt.Sscan(string(b), &one, &five, &fifteen) // left at 0
	return fifteen
}

// lastWords is the line of a log that says why its program ended: of its last panic, or the last.
func lastWords(log string) string {
	words := "it printed nothing"
	for line := range strings.Lines(log) {
		line = strings.TrimSpace(line)
		dies := strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:")
		if died := strings.HasPrefix(words, "panic:") || strings.HasPrefix(words, "fatal error:"); line != "" && (dies || !died) {
			words = line
		}
	}
	return words
}

// noticed is how long a device that dials in may take to see that its gateway is gone
// when nothing tells it: no answer comes to some clock questions in a row.
const noticed = 30 * time.Second

// seconds is a duration as the table shows it.
func seconds(d time.Duration) string {
	if d < 0 {
		return "never"
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// Line is a row for the log.
func (r Row) Line() string {
	return fmt.Sprintf("%-50s silent %d, longest %s, median %s, dial in %s, at once %s, line-in %s; lost %d, repeated %d; music after %s, orders after %s; two owners %d, fenced %.0f, trust lost %d, crashes %d",
		r.Name, r.Players, seconds(r.Longest), seconds(r.Median), seconds(r.DialIn), seconds(r.Strict), seconds(r.Live), r.Lost, r.Repeated, seconds(r.Music), seconds(r.Orders),
		r.TwoOwners, r.Fenced, r.TrustLost, r.Crashes)
}

// Broken are the promises that were not kept.
func (r Row) Broken() []string {
	var out []string
	say := func(bad bool, format string, a ...any) {
		if bad {
			out = append(out, r.Name+": "+fmt.Sprintf(format, a...))
		}
	}
	allowed := max(r.Silence*slack, time.Second/2)
	say(r.Longest > allowed, "a player was silent for %s; at most %s is allowed", seconds(r.Longest), seconds(allowed))
	dialIn := max(r.Silence*slack, time.Second/2)
	if r.Silence > 0 {
		dialIn += noticed
	}
	say(r.DialIn > dialIn, "a player that dials in was silent for %s; at most %s is allowed", seconds(r.DialIn), seconds(dialIn))
	live := max(r.Fault.Live*slack, time.Second)
	say(r.Live > live || r.Deaf > 0, "the line-in was silent for %s, %d players heard nothing of it; at most %s is allowed", seconds(r.Live), r.Deaf, seconds(live))
	say(r.Lost > 0 || r.Repeated > 0, "%d samples lost, %d repeated", r.Lost, r.Repeated)
	say(r.Stuck != "", "not everything came back by itself: %s", r.Stuck)
	say(r.Music < 0, "not every player got its music back")
	say(r.Orders < 0, "not every group takes orders: %s", strings.Join(r.ordersUnanswered, "; "))
	say(r.Crashes > 0, "%d processes ended by themselves and were started again: %s", r.Crashes, strings.Join(r.crashed, "; "))
	say(r.TwoOwners > 0, "players of a group heard different music for %d moments", r.TwoOwners)
	say(r.Missing != 0, "%d players are not shown at work", r.Missing)
	say(r.TrustLost != 0, "%d trust records are lost", r.TrustLost)
	return out
}
