package ctlcmd

import (
	"fmt"
	"strings"
)

// candidate is something that a person may name.
type candidate struct {
	id    string
	names []string // what it is called: matched without regard to case
	keys  []string // exact keys and fingerprints: matched from their start
	says  string   // how an ambiguous match is listed
}

// match finds the one candidate that word names: a full name or key first, then
// a unique beginning of either. kind is for messages ("client", "group").
func match(kind, word string, all []candidate, howToList string) (candidate, error) {
	if strings.TrimSpace(word) == "" {
		return candidate{}, usagef("the name of the %s is empty", kind)
	}
	for _, fits := range []func(candidate) bool{
		func(c candidate) bool { return has(c.keys, word, equal) || has(c.names, word, strings.EqualFold) },
		func(c candidate) bool { return has(c.keys, word, begins) || has(c.names, word, beginsFold) },
	} {
		var found []candidate
		for _, c := range all {
			if fits(c) {
				found = append(found, c)
			}
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			return candidate{}, ambiguous(kind, word, found)
		}
	}
	return candidate{}, notFound{fmt.Errorf("no %s is named %q: %s", kind, word, howToList)}
}

// notFound says that nothing matched.
type notFound struct{ error }

func ambiguous(kind, word string, found []candidate) error {
	says := make([]string, 0, len(found))
	for _, c := range found {
		says = append(says, c.says)
	}
	const most = 6
	if n := len(says); n > most {
		says = append(says[:most], fmt.Sprintf("and %d more", n-most))
	}
	return usagef("%q names more than one %s: %s; write more of it, or the id", word, kind, strings.Join(says, ", "))
}

func has(list []string, word string, fits func(have, word string) bool) bool {
	for _, s := range list {
		if s != "" && fits(s, word) {
			return true
		}
	}
	return false
}

func equal(have, word string) bool {
	return have == word || isFingerprint(have) && plain(word) != "" && plain(have) == plain(word)
}

func begins(have, word string) bool {
	return strings.HasPrefix(have, word) || isFingerprint(have) && plain(word) != "" && strings.HasPrefix(plain(have), plain(word))
}

func beginsFold(have, word string) bool {
	return len(have) >= len(word) && strings.EqualFold(have[:len(word)], word)
}

// plain drops what people leave out or change when they type a fingerprint.
func plain(s string) string {
	return strings.ToLower(strings.NewReplacer("-", "", " ", "", ":", "", ".", "").Replace(s))
}

// isFingerprint tells a speakable fingerprint from a key, whose letters' case
// matters.
func isFingerprint(s string) bool { return len(s) != 43 }

func clientCandidates(clients []apiClient) []candidate {
	out := make([]candidate, 0, len(clients))
	for _, c := range clients {
		out = append(out, candidate{
			id: c.ClientID, names: []string{c.Label, c.Name}, keys: []string{c.ClientID, c.Fingerprint},
			says: fmt.Sprintf("%s (%s)", c.display(), short(c.ClientID)),
		})
	}
	return out
}

func groupCandidates(groups []apiGroup) []candidate {
	out := make([]candidate, 0, len(groups))
	for _, g := range groups {
		out = append(out, candidate{
			id: g.GroupID, names: []string{g.Name}, keys: []string{g.GroupID},
			says: fmt.Sprintf("%s (%s)", g.display(), g.GroupID),
		})
	}
	return out
}

// client finds a device to be used by name, label, key or fingerprint.
func (r *run) client(word string) (apiClient, error) {
	list, _, err := get[apiClients](r, "/api/v1/clients")
	if err != nil {
		return apiClient{}, err
	}
	return pickClient(list.Clients, word)
}

// pickClient looks among the devices that may play first: a stranger in the inbox
// that calls itself like one of them must not even get in the way.
func pickClient(clients []apiClient, word string) (apiClient, error) {
	const how = "'tutti clients' lists them"
	m, err := match("device", word, clientCandidates(trusted(clients)), how)
	if _, none := err.(notFound); none {
		m, err = match("device", word, clientCandidates(clients), how)
	}
	if err != nil {
		return apiClient{}, err
	}
	for _, c := range clients {
		if c.ClientID == m.id {
			return c, nil
		}
	}
	return apiClient{}, fmt.Errorf("device %s vanished; try again", m.id)
}

func trusted(clients []apiClient) []apiClient {
	var out []apiClient
	for _, c := range clients {
		if c.Trust == "paired" || c.Trust == "approved" {
			out = append(out, c)
		}
	}
	return out
}

// group finds a group by name or id; the name of a device means the group it
// plays in.
func (r *run) group(word string) (apiGroup, error) {
	list, _, err := get[apiGroups](r, "/api/v1/groups")
	if err != nil {
		return apiGroup{}, err
	}
	return r.groupIn(list.Groups, word)
}

func (r *run) groupIn(groups []apiGroup, word string) (apiGroup, error) {
	m, err := match("group", word, groupCandidates(named(groups)), "'tutti groups' lists them")
	if _, none := err.(notFound); none {
		m, err = r.groupOfDevice(groups, word, err)
	}
	if err != nil {
		return apiGroup{}, err
	}
	for _, g := range groups {
		if g.GroupID == m.id {
			return g, nil
		}
	}
	return apiGroup{}, fmt.Errorf("group %s vanished; try again", m.id)
}

// groupOfDevice is for a word that names no named group; none is the error then.
func (r *run) groupOfDevice(groups []apiGroup, word string, none error) (candidate, error) {
	for _, g := range groups {
		if g.GroupID == word {
			return candidate{id: g.GroupID}, nil
		}
	}
	c, err := r.client(word)
	if _, unknown := err.(notFound); unknown || err == nil && c.GroupID == "" {
		return candidate{}, none
	}
	return candidate{id: c.GroupID}, err
}

func named(groups []apiGroup) []apiGroup {
	var out []apiGroup
	for _, g := range groups {
		if !g.Solo {
			out = append(out, g)
		}
	}
	return out
}
