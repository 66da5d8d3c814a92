package doctorcmd

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/tutti-audio/tutti/services/discovery"
)

// defaultName is what a server is called that was given no name.
const defaultName = "Tutti"

// judgeServers tells which other Sendspin servers are on the links, and whether one has our
// name: people cannot tell the two apart, and a speaker may be with the wrong one.
func judgeServers(airs []airing, n network, s settings) []Result {
	const name = "servers"
	ourName, running := s.Name, false
	if ourName == "" {
		ourName = defaultName
	}
	var others []string
	same := map[string]string{} // name to where
	own := n.own()
	for _, a := range airs {
		for _, f := range a.heard.records.list(discovery.ServerType, a.name, a.own) {
			if f.err != nil {
				continue // nothing connects to it
			}
			if slices.ContainsFunc(f.all, func(a netip.Addr) bool { return slices.Contains(own, a) }) {
				if !running { // the server knows its name better than our flags
					ourName, running = f.Name, true
				}
				continue
			}
			at := strings.TrimPrefix(f.URLs[0], "ws://")
			if text := fmt.Sprintf("%s at %s (%s)", f.Name, at, a.name); !slices.Contains(others, text) {
				others = append(others, text)
				same[f.Name] = lines(same[f.Name], at)
			}
		}
	}
	at, twice := same[ourName]
	switch {
	case len(others) == 0:
		return nil
	case twice && s.NATS == "": // with NATS it is another gateway of the same deployment
		return []Result{{name, Warn, fmt.Sprintf("another server answers with the name of this one, %q, at %s: people and speakers cannot tell them apart", ourName, strings.ReplaceAll(at, "\n", ", ")),
			"give one of them another name (--name), stop it if it was forgotten, or, if both are to be one deployment, give both the same --nats"}}
	}
	return []Result{{name, OK, "other Sendspin servers are here: " + some(others), ""}}
}

// some shows the first of a list.
func some(all []string) string {
	const most = 5
	if len(all) <= most {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:most], ", "), len(all)-most)
}
