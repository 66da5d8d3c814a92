package wire

import (
	"slices"
	"strings"
)

// Role families of the specification. Message objects and stream/clear and
// stream/end use these names, without a version.
const (
	RolePlayer     = "player"
	RoleSource     = "source"
	RoleController = "controller"
	RoleMetadata   = "metadata"
	RoleArtwork    = "artwork"
	RoleVisualizer = "visualizer"
	RoleColor      = "color"
)

// Roles of the specification with their version, as listed in supported_roles and
// active_roles.
const (
	RolePlayerV1     = "player@v1"
	RoleSourceV1     = "source@v1"
	RoleControllerV1 = "controller@v1"
	RoleMetadataV1   = "metadata@v1"
	RoleArtworkV1    = "artwork@v1"
	RoleVisualizerV1 = "visualizer@v1"
	RoleColorV1      = "color@v1"
)

// AllRoles returns the versioned roles that the specification defines, in its
// order.
func AllRoles() []string {
	return []string{RolePlayerV1, RoleSourceV1, RoleControllerV1, RoleMetadataV1, RoleArtworkV1, RoleVisualizerV1, RoleColorV1}
}

// ParseRole splits a versioned role, such as "player@v1", into family and version.
// Without a version, or without a family, version is empty and family is the whole
// input: such a role can never be activated.
func ParseRole(role string) (family, version string) {
	family, version, ok := strings.Cut(role, "@")
	if !ok || family == "" || version == "" || strings.Contains(version, "@") {
		return role, ""
	}
	return family, version
}

// IsApplicationRole reports whether a versioned role is outside the specification:
// its family or its version starts with "_".
func IsApplicationRole(role string) bool {
	family, version := ParseRole(role)
	return strings.HasPrefix(family, "_") || strings.HasPrefix(version, "_")
}

// HasStateObject reports whether the client must send a client/state object when
// the role of this family becomes active (section client/state).
func HasStateObject(family string) bool {
	switch family {
	case RolePlayer, RoleSource, RoleArtwork, RoleVisualizer:
		return true
	}
	return false
}

// HasStream reports whether the role of this family has a stream from server to
// client, which must be ended before the role is removed.
func HasStream(family string) bool {
	switch family {
	case RolePlayer, RoleArtwork, RoleVisualizer:
		return true
	}
	return false
}

// ActivateRoles selects the roles that a server activates: for every family the
// first version in the client's list that supported names, that has the support
// object its version requires, and whose family allow admits (nil admits all). The
// result is in the client's order and never nil. (Section Priority and Activation.)
func ActivateRoles(supported []string, hello *ClientHello, allow func(family string) bool) []string {
	active := []string{}
	taken := map[string]bool{}
	for _, role := range hello.SupportedRoles {
		family, version := ParseRole(role)
		if version == "" || taken[family] || !slices.Contains(supported, role) || !hello.hasSupport(role) {
			continue
		}
		if allow != nil && !allow(family) {
			continue
		}
		taken[family] = true
		active = append(active, role)
	}
	return active
}

// hasSupport reports whether the hello carries what the role version requires.
func (m *ClientHello) hasSupport(role string) bool {
	switch role {
	case RolePlayerV1:
		return m.Player != nil
	case RoleSourceV1:
		return m.Source != nil
	case RoleVisualizerV1:
		return m.Visualizer != nil
	}
	return true
}

// UnimplementedRoles returns the roles of the hello that are reserved for the
// specification but not in supported: a sign that the client is newer than the
// server (section Detecting Outdated Servers). Roles without a version are left out.
func UnimplementedRoles(supported []string, hello *ClientHello) []string {
	var out []string
	for _, role := range hello.SupportedRoles {
		if _, version := ParseRole(role); version == "" || IsApplicationRole(role) || slices.Contains(supported, role) {
			continue
		}
		out = append(out, role)
	}
	return out
}

// ActiveFamily returns the active versioned role of a family, or "".
func ActiveFamily(active []string, family string) string {
	for _, role := range active {
		if f, v := ParseRole(role); f == family && v != "" {
			return role
		}
	}
	return ""
}
