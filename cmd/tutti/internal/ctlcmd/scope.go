package ctlcmd

import (
	"strings"

	"github.com/spf13/cobra"
)

// scopeFlags are the flags that say what a user or a token may do.
type scopeFlags struct {
	role  string
	zones []string
}

func (s *scopeFlags) bind(c *cobra.Command) {
	c.Flags().StringVar(&s.role, "role", "", "what it may do everywhere: viewer (reads), operator (plays), admin, or none (default: operator; none with --zone)")
	c.Flags().StringArrayVar(&s.zones, "zone", nil, "a group and what it may do there: Bar:operator or Bar:viewer (may be given several times)")
}

// body is the part of a request that says the scope; usual is the role when no flag is
// given.
func (s *scopeFlags) body(r *run, usual string) (map[string]any, error) {
	role := s.role
	switch {
	case role != "":
	case len(s.zones) > 0:
		role = "none"
	default:
		role = usual
	}
	body := map[string]any{"role": role}
	if len(s.zones) == 0 {
		return body, nil
	}
	var err error
	body["zones"], err = s.list(r)
	return body, err
}

// list finds the groups that --zone names.
func (s *scopeFlags) list(r *run) ([]apiZone, error) {
	out := []apiZone{}
	groups, _, err := get[apiGroups](r, "/api/v1/groups")
	if err != nil {
		return nil, err
	}
	for _, z := range s.zones {
		i := strings.LastIndex(z, ":")
		if i < 0 || (z[i+1:] != "operator" && z[i+1:] != "viewer") {
			return nil, usagef("--zone %q says no role: write for example --zone Bar:operator", z)
		}
		// A device's name does not mean its group here: rights are not given by the way.
		g, err := match("group", z[:i], groupCandidates(named(groups.Groups)), "'tutti groups' lists them")
		if err != nil {
			return nil, err
		}
		out = append(out, apiZone{g.id, z[i+1:]})
	}
	return out, nil
}

// groupNames looks up names of groups, when they are needed.
func (r *run) groupNames(needed bool) (func(id string) string, error) {
	names := map[string]string{}
	if needed {
		groups, _, err := get[apiGroups](r, "/api/v1/groups")
		if err != nil {
			return nil, err
		}
		for _, g := range groups.Groups {
			names[g.GroupID] = g.display()
		}
	}
	return func(id string) string {
		if n := names[id]; n != "" {
			return n
		}
		return id
	}, nil
}

func zonesText(zones []apiZone, name func(id string) string) string {
	out := make([]string, 0, len(zones))
	for _, z := range zones {
		out = append(out, name(z.GroupID)+":"+z.Role)
	}
	return strings.Join(out, ", ")
}
