package health

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// settle is how long something must be so, and not be so, where one sample may be a
// moment of change.
const settle = 2 * FineStep

// calm keeps a finding for some time after it was last so: what comes and goes each few
// seconds is one finding, and not many.
const calm = 2 * time.Minute

// rules is everything that is looked for.
var rules = []rule{
	// What one hears.
	{keep: calm, find: lateChunks},
	{keep: calm, find: weakLinks},
	{after: settle, keep: settle, find: silentMembers},
	{keep: settle, find: stoppedGroups},
	{keep: calm, find: flappingClients},
	{after: settle, keep: calm, find: roundTrips},
	{after: settle, keep: settle, find: staleClocks},
	// Who is there, and may be.
	{keep: settle, find: mismatches},
	{keep: settle, find: warned},
	{keep: settle, find: away},
	{keep: settle, find: newerDevices},
	// What runs.
	{after: 2 * settle, keep: settle, find: missingServices},
	{after: readyGrace, keep: settle, find: notReady},
	{keep: settle, find: restarts},
	{after: time.Minute, keep: settle, find: versions},
	{after: settle, keep: calm, find: overload},
	{after: settle, keep: calm, find: houseClock},
	{keep: settle, find: failedLibrary},
}

func trusted(c *model.Client) bool {
	return c.Trust == model.TrustPaired || c.Trust == model.TrustApproved
}

func streaming(c *model.Client) bool {
	return c.Connected && c.Player != nil && c.Player.StreamFormat != nil
}

// zone is the name of a named group; "" of a solo one and of none.
func (f *facts) zone(groupID string) string {
	for i := range f.groups {
		if f.groups[i].GroupID == groupID && !f.groups[i].Solo {
			return f.groups[i].Name
		}
	}
	return ""
}

// mostNames is how many names a sentence holds.
const mostNames = 4

// names lists clients for a sentence: "A, B and C", "A, B, C, D and 3 more".
func (f *facts) names(ids []string) string {
	var out []string
	for i, id := range ids {
		if i == mostNames {
			out = append(out, fmt.Sprintf("%d more", len(ids)-i))
			break
		}
		if c := f.snap.Client(id); c != nil {
			out = append(out, c.DisplayName())
		}
	}
	if len(out) < 2 {
		return strings.Join(out, "")
	}
	return strings.Join(out[:len(out)-1], ", ") + " and " + out[len(out)-1]
}

// verb is the form of a verb for n: "loses" or "lose".
func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// in is " in <zone>"; "" without one.
func in(zone string) string {
	if zone == "" {
		return ""
	}
	return " in " + zone
}

func groupsOf(groupID string) []string {
	if groupID == "" {
		return nil
	}
	return []string{groupID}
}

// byGroup sorts clients into their groups, in a fixed order.
func (f *facts) byGroup(is func(c *model.Client) bool) (order []string, members map[string][]string) {
	members = map[string][]string{}
	for _, c := range f.snap.Clients {
		if is(c) {
			members[c.GroupID] = append(members[c.GroupID], c.ClientID)
		}
	}
	for id := range members {
		order = append(order, id)
	}
	slices.Sort(order)
	return order, members
}

func clientPath(id string) string { return "/api/v1/clients/" + url.PathEscape(id) }

// words is a remedy that takes a person.
func words(code, text string) *model.Remedy { return &model.Remedy{Code: code, Text: text} }

// compress is the request that sends clients a format that takes less of their links;
// only words when there is none that they and the server know.
func (f *facts) compress(ids []string) *model.Remedy {
	var calls []model.Call
	var sent []string
	codec := ""
	for _, id := range ids {
		c := f.snap.Client(id)
		to := f.smaller(c)
		if to == nil {
			continue
		}
		codec = cmp.Or(codec, to.Codec)
		sent = append(sent, id)
		calls = append(calls, model.Call{Method: "PATCH", Path: clientPath(id), Body: map[string]any{"preferred_format": to}})
	}
	if len(calls) == 0 {
		return words("improve_link", "Bring the access point nearer, use a cable, or give the device a larger buffer in its own settings.")
	}
	return &model.Remedy{
		Code: "use_" + codec, Text: fmt.Sprintf("Send %s %s, which takes less of the link.", f.names(sent), map[string]string{"opus": "Opus", "flac": "FLAC"}[codec]),
		Role: "operator", Method: calls[0].Method, Path: calls[0].Path, Body: calls[0].Body, Also: calls[1:],
	}
}

// smaller is a format of c that takes less of its link than what it is sent; nil when
// there is none.
func (f *facts) smaller(c *model.Client) *model.AudioFormat {
	if c == nil || c.Player == nil {
		return nil
	}
	now := cmp.Or(c.Player.StreamFormat, c.Player.PreferredFormat)
	if now == nil && len(c.Player.SupportedFormats) > 0 {
		now = &c.Player.SupportedFormats[0]
	}
	if now == nil {
		return nil
	}
	for _, codec := range []string{"opus", "flac"} {
		if codec == now.Codec {
			return nil
		}
		if codec == "opus" && (f.library == nil || !slices.Contains(f.library.Encoders, "opus")) {
			continue
		}
		if to := nearest(c.Player.SupportedFormats, codec, now); to != nil {
			return to
		}
	}
	return nil
}

// nearest is the format of a codec that differs least from like.
func nearest(formats []model.AudioFormat, codec string, like *model.AudioFormat) *model.AudioFormat {
	var best *model.AudioFormat
	score := -1
	for i, x := range formats {
		if x.Codec != codec || x.Channels != like.Channels {
			continue
		}
		s := 0
		if x.SampleRate == like.SampleRate {
			s += 2
		}
		if x.BitDepth == like.BitDepth {
			s++
		}
		if s > score {
			best, score = &formats[i], s
		}
	}
	return best
}
