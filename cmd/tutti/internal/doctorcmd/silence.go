package doctorcmd

import (
	"fmt"
	"strings"
)

// The causes of silence on a link, each with its fix.
const (
	fixSnooping  = "IGMP snooping without a querier (a managed switch forgets who listens): switch a querier on for this VLAN, in the switch or the router, or snooping off"
	fixIsolation = "Wi-Fi client isolation (AP isolation, a guest network), or an access point that filters multicast: switch it off for this SSID"
	fixContainer = "a container without the host's network: give it one (compose: network_mode: host, Kubernetes: hostNetwork: true), or run with --mdns=false and name devices with 'tutti add ws://ADDR:8928/sendspin'"
	fixWithout   = "meanwhile, or for good: 'tutti add ws://ADDR:8928/sendspin' needs no multicast; 'tutti doctor --device ADDR' tries it"
)

// silence says why nobody may have answered on an interface. What was heard otherwise tells
// some causes from others.
func (a airing) silence(n network) (what, advice string) {
	h := a.heard
	if n.container && a.peer {
		return fmt.Sprintf("nobody else answers on %s: mDNS does not pass a container network", a.card), fixContainer
	}
	firewall := fmt.Sprintf("a firewall on this machine: let UDP 5353 in on %s (ufw allow in on %[1]s proto udp to any port 5353; firewall-cmd --add-service=mdns)", a.name)
	if a.heard.echo {
		firewall += "; its own packet passed, those of others may not"
	}
	vlan := fmt.Sprintf("another VLAN: speakers that are not in %s are not heard: put them or this port into one VLAN, give this machine an interface in theirs, or let the router reflect mDNS and pass TCP 8927 and 8928", networksOf(a.card))
	switch {
	case len(h.unicast) > 0:
		return fmt.Sprintf("%s on %s by unicast, and nobody's multicast comes in: our questions go out, answers to 224.0.0.251 are dropped on the way", answers(len(h.unicast)), a.card),
			lines(fixSnooping, firewall, a.ifWiFi(fixIsolation), fixWithout)
	case len(h.direct) > 0:
		return fmt.Sprintf("%s on %s when asked directly, and none by multicast: it is dropped on the way", answers(len(h.direct)), a.card),
			lines(a.first(fixSnooping, fixIsolation), fixWithout)
	case len(h.askers) > 0:
		return fmt.Sprintf("nobody else answers on %s, though questions of %s are heard: multicast comes in; no device is on, or our questions do not get out", a.card, plural(len(h.askers), "other machine")),
			lines("no device is switched on: look again when one is", a.first(fixSnooping, fixIsolation), vlan, fixWithout)
	}
	return fmt.Sprintf("nobody else answers on %s: no speaker, computer or phone", a.card),
		lines("nothing else is switched on there: look again when a speaker is", a.first(fixSnooping, fixIsolation), vlan, firewall, fixWithout)
}

func answers(n int) string {
	if n == 1 {
		return "1 machine answers"
	}
	return fmt.Sprintf("%d machines answer", n)
}

// first puts what is likely for the kind of interface first. Also behind a cable there may be
// an access point.
func (a airing) first(wired, wifi string) string {
	if a.kind == "wlan" {
		return lines(wifi, wired)
	}
	return lines(wired, wifi)
}

func (a airing) ifWiFi(s string) string {
	if a.kind == "wlan" {
		return s
	}
	return ""
}

func networksOf(c card) string {
	words := make([]string, 0, len(c.addrs))
	for _, a := range c.addrs {
		words = append(words, a.Masked().String())
	}
	return strings.Join(words, ", ")
}

// lines joins what is not empty.
func lines(all ...string) string {
	var b strings.Builder
	for _, l := range all {
		if l != "" && b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(l)
	}
	return b.String()
}
