package radio

import (
	"slices"
	"strconv"

	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/services/discovery/internal/mdns"
)

// advert is one running advertisement.
type advert struct {
	what mdns.Advert
	stop func()
}

// advertise brings the advertisements of all interfaces to what they should be.
// Nothing is said before the deployment has a name.
func (h *handler) advertise() {
	want := map[string]mdns.Advert{}
	if h.server.Name != "" {
		for _, g := range h.gateways {
			want[g.ID] = h.advertOf(g)
		}
	}
	n := 0
	for _, st := range h.stations {
		h.reconcile(st, want)
		n += len(st.adverts)
	}
	h.m.adverts.Set(float64(n))
}

func (h *handler) reconcile(st *station, want map[string]mdns.Advert) {
	for id, a := range st.adverts {
		if w, ok := want[id]; !ok || !sameAdvert(w, a.what) {
			a.stop()
			delete(st.adverts, id)
		}
	}
	for id, w := range want {
		if st.adverts[id] != nil {
			continue
		}
		stop, err := h.o.Net.Advertise(st.link, w)
		if err != nil {
			// The next look at the interfaces tries again.
			h.o.Log.Warn("mDNS advertisement failed, trying again", obs.KeyIface, st.link.Name, obs.KeyErr, err)
			continue
		}
		h.o.Log.Info("advertised by mDNS", obs.KeyIface, st.link.Name, obs.KeyName, h.server.Name, "instance", w.Instance, "port", w.Port)
		st.adverts[id] = &advert{w, stop}
	}
}

// advertOf is what is said about one gateway. The label names host and port,
// because several hosts of one deployment advertise the same name, and stays the
// same when the gateway restarts.
func (h *handler) advertOf(g Gateway) mdns.Advert {
	return mdns.Advert{
		Instance: mdns.Label(h.server.Name, h.o.HostHint+"-"+strconv.Itoa(g.Port)),
		Port:     g.Port,
		Text:     []string{"path=" + g.Path, "name=" + clip(h.server.Name), "pair=" + h.server.Policy},
	}
}

// clip keeps a TXT string within its 255 bytes, at a character's edge.
func clip(name string) string {
	const limit = 255 - len("name=")
	if len(name) <= limit {
		return name
	}
	cut := 0
	for i := range name {
		if i > limit {
			break
		}
		cut = i
	}
	return name[:cut]
}

func sameAdvert(a, b mdns.Advert) bool {
	return a.Instance == b.Instance && a.Port == b.Port && slices.Equal(a.Text, b.Text)
}
