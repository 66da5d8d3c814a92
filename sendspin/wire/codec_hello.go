package wire

import (
	"slices"
	"strings"
)

func (m *ServerHello) encode(e *enc) {
	e.str("name", m.Name)
	if len(m.Languages) > 0 {
		e.strs("languages", m.Languages)
	}
	if m.Source != nil {
		m.Source.encode(e)
	}
	e.app(m.App, isAppSupportKey)
}

func (m *ServerHello) decode(o *obj) {
	m.Name = o.str("name")
	m.Languages = o.optStrs("languages")
	if s := o.optObj("source@v1_support"); s != nil {
		m.Source = &ServerSourceSupport{}
		m.Source.decode(s)
	}
	m.App = o.app(isAppSupportKey)
}

func (m *ServerHello) note(ignored []string) { m.Ignored = ignored }

// isAppSupportKey reports whether a hello key is the support object of an
// application-specific role version.
func isAppSupportKey(key string) bool {
	role, ok := strings.CutSuffix(key, "_support")
	if !ok {
		return false
	}
	_, version := ParseRole(role)
	return version != "" && IsApplicationRole(role)
}

func (m *ClientHello) encode(e *enc) {
	e.str("name", m.Name)
	if d := m.DeviceInfo; d != nil {
		e.open("device_info")
		e.optStr("product_name", d.ProductName)
		e.optStr("manufacturer", d.Manufacturer)
		e.optStr("software_version", d.SoftwareVersion)
		e.check(d.MACAddress == strings.ToLower(d.MACAddress), "mac_address", "must be lower case")
		e.optStr("mac_address", d.MACAddress)
		e.close()
	}
	e.strs("supported_roles", m.SupportedRoles)
	m.encodeSupport(e)
	e.app(m.App, func(key string) bool { return isAppSupportKey(key) && m.lists(strings.TrimSuffix(key, "_support")) })
	m.PairMethods.encode(e)
	e.open("unpaired_access")
	e.bool("enabled", m.UnpairedAccess.Enabled)
	e.close()
}

// encodeSupport writes the support objects, each exactly when its role is listed.
func (m *ClientHello) encodeSupport(e *enc) {
	for _, role := range m.SupportedRoles {
		_, version := ParseRole(role)
		e.check(version != "", "supported_roles", "holds a role without a version")
	}
	e.check(m.lists(RolePlayerV1) == (m.Player != nil), "player@v1_support", "must be present exactly when player@v1 is listed")
	e.check(m.lists(RoleSourceV1) == (m.Source != nil), "source@v1_support", "must be present exactly when source@v1 is listed")
	e.check(m.lists(RoleVisualizerV1) == (m.Visualizer != nil), "visualizer@v1_support", "must be present exactly when visualizer@v1 is listed")
	if m.Player != nil {
		m.Player.encode(e)
	}
	if m.Source != nil {
		m.Source.encode(e)
	}
	if m.Visualizer != nil {
		m.Visualizer.encode(e)
	}
}

func (m *ClientHello) decode(o *obj) {
	m.Name = o.str("name")
	if d := o.optObj("device_info"); d != nil {
		m.DeviceInfo = &DeviceInfo{
			ProductName:     d.optStr("product_name"),
			Manufacturer:    d.optStr("manufacturer"),
			SoftwareVersion: d.optStr("software_version"),
			MACAddress:      d.optStr("mac_address"),
		}
	}
	m.SupportedRoles = o.strs("supported_roles")
	if len(m.SupportedRoles) > maxListed {
		o.fail("supported_roles", "too many roles")
		return
	}
	m.decodeSupport(o)
	m.App = o.app(func(key string) bool { return isAppSupportKey(key) && m.lists(strings.TrimSuffix(key, "_support")) })
	m.PairMethods.decode(o.obj("supported_pair_methods"))
	m.UnpairedAccess.Enabled = o.obj("unpaired_access").bool("enabled")
}

// decodeSupport reads the support objects of listed roles. One of a role that is
// not listed says nothing, so its content is not looked at.
func (m *ClientHello) decodeSupport(o *obj) {
	if s := m.support(o, RolePlayerV1); s != nil {
		m.Player = &PlayerSupport{}
		m.Player.decode(s)
	}
	if s := m.support(o, RoleSourceV1); s != nil {
		m.Source = &SourceSupport{}
		m.Source.decode(s)
	}
	if s := m.support(o, RoleVisualizerV1); s != nil {
		m.Visualizer = &VisualizerSupport{BufferCapacity: s.int("buffer_capacity", 0, maxInt)}
	}
}

// support returns the support object of a role, nil when the role is not listed.
func (m *ClientHello) support(o *obj, role string) *obj {
	if !m.lists(role) {
		return nil
	}
	return o.optObj(role + "_support")
}

func (m *ClientHello) note(ignored []string) { m.Ignored = ignored }

// lists reports whether a versioned role is among the supported ones.
func (m *ClientHello) lists(role string) bool {
	return slices.Contains(m.SupportedRoles, role)
}
