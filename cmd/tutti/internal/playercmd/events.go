package playercmd

import (
	"errors"
	"fmt"
	"net"

	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// event acts on what the client tells and reports it.
func (l *loop) event(e client.Event) error {
	if ok, err := l.pairing(e); ok {
		return err
	}
	if ok, err := l.captureEvent(e); ok {
		return err
	}
	switch e := e.(type) {
	case client.Connected:
		return l.rep.event("connected", fields{"server_id": e.ServerID, "paired": e.Paired, "category": string(e.Category)})
	case client.ServerInfo:
		l.names[e.ServerID] = e.Name
		return l.rep.event("server", fields{"server_id": e.ServerID, "name": e.Name, "languages": list(e.Languages)})
	case client.Activated:
		l.warmUp()
		l.holder()
		return l.rep.event("activated", fields{"server_id": e.ServerID, "activities": list(e.Activities), "roles": list(e.Roles), "removed": list(e.Removed)})
	case client.Synced:
		return l.sync(e)
	case client.PlayerChanged:
		l.delay = int64(e.OutputDelayMS) * 1000
		l.status.volume, l.status.muted = e.Volume, e.Muted
		if l.controls != nil {
			l.controls.SetControls(e.Volume, e.Muted, l.delay)
		}
		return l.rep.event("state", fields{"volume": e.Volume, "muted": e.Muted, "output_delay_ms": e.OutputDelayMS, "by_server": e.ByServer})
	case client.StreamStarted, client.StreamCleared, client.StreamEnded:
		return l.stream(e)
	case client.MetadataChanged:
		l.status.title = title(e.Metadata)
		return l.rep.event("metadata", metadata(e.Metadata))
	case client.ControllerChanged:
		return l.rep.event("controller", controller(e.State))
	case client.GroupChanged:
		return l.rep.event("group", fields{"group_id": e.Group.GroupID, "group_name": e.Group.GroupName, "playback_state": e.Group.PlaybackState})
	case client.Violation:
		return l.rep.event("violation", fields{"server_id": e.ServerID, "rule": e.Rule, "detail": e.Detail})
	case client.Disconnected:
		return l.disconnected(e)
	case client.Retrying:
		return l.rep.event("retrying", fields{"url": e.URL, "in_ms": e.In.Milliseconds(), "error": fmt.Sprint(reason(e.Err))})
	}
	return nil
}

// reason is what went wrong with a connection, without the layers that it came through
// when the network says it by itself.
func reason(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op
	}
	return err
}

// holder shows the server that has the player.
func (l *loop) holder() { l.status.server = l.names[l.client().Stats().ServerID] }

// warmUp reports the timing parameters of a player that is up. The client answers with
// PlayerChanged, which carries the stored volume, mute and delay: outputs and the live
// line wait for it.
func (l *loop) warmUp() {
	if l.warm {
		return
	}
	l.warm = l.client().SetTiming(l.leadMS, l.bufferMS) == nil
}

// sync passes the clock's state on and reports when it becomes usable.
func (l *loop) sync(e client.Synced) error {
	was := l.synced
	l.synced = e.Ready
	l.deck.SetReady(e.Ready, l.client().Now())
	if !e.Ready || was {
		return nil
	}
	return l.rep.event("synced", fields{"offset_us": int64(e.OffsetUS), "stddev_us": e.StdDevUS, "max_err_us": e.MaxErrUS})
}

func (l *loop) stream(e client.Event) error {
	switch e := e.(type) {
	case client.StreamStarted:
		l.streaming = true
		l.status.format = e.Format.String()
		return l.rep.event("stream_start", fields{
			"codec": e.Format.Codec, "sample_rate": e.Format.SampleRate, "bit_depth": e.Format.BitDepth,
			"channels": e.Format.Channels, "in_place": e.InPlace, "server_transmitted": e.ServerTransmitted,
		})
	case client.StreamCleared:
		if err := l.deck.Clear(); err != nil {
			return err
		}
		return l.rep.event("stream_clear", fields{"server_transmitted": e.ServerTransmitted})
	}
	// stream/end: the last second first, then what was not played is dropped.
	if err := l.stats(); err != nil {
		return err
	}
	l.streaming = false
	l.status.format = ""
	if ended, ok := e.(client.StreamEnded); ok && ended.Lost {
		l.deck.Lose()
		return l.rep.event("stream_lost", nil)
	}
	if err := l.deck.Clear(); err != nil {
		return err
	}
	return l.rep.event("stream_end", nil)
}

func (l *loop) disconnected(e client.Disconnected) error {
	if e.Goodbye != "" {
		if err := l.rep.event("goodbye", fields{"server_id": e.ServerID, "reason": e.Goodbye}); err != nil {
			return err
		}
	}
	f := fields{"server_id": e.ServerID}
	if e.Err != nil {
		f["error"] = e.Err.Error()
	}
	delete(l.names, e.ServerID)
	l.holder()
	return l.rep.event("disconnected", f)
}

func title(m *wire.Metadata) string {
	switch {
	case m == nil:
		return ""
	case m.Artist != "" && m.Title != "":
		return m.Title + " — " + m.Artist
	}
	return m.Title + m.Artist
}

// list is never null in JSON.
func list(l []string) []string { return append([]string{}, l...) }

// controller is the object with the specification's names; empty when there is none.
func controller(s *wire.ControllerState) fields {
	f := fields{}
	if s == nil {
		return f
	}
	f["supported_commands"], f["volume"], f["muted"] = list(s.SupportedCommands), s.Volume, s.Muted
	f["repeat"], f["shuffle"] = s.Repeat, s.Shuffle
	if s.SeekMaxMS != nil {
		f["seek_max_ms"] = *s.SeekMaxMS
	}
	return f
}

// metadata is the object with the specification's names; empty when there is none.
func metadata(m *wire.Metadata) fields {
	f := fields{}
	if m == nil {
		return f
	}
	f["timestamp"] = m.Timestamp
	for key, v := range map[string]string{"title": m.Title, "artist": m.Artist, "album_artist": m.AlbumArtist, "album": m.Album, "artwork_url": m.ArtworkURL} {
		if v != "" {
			f[key] = v
		}
	}
	for key, v := range map[string]*int{"year": m.Year, "track": m.Track} {
		if v != nil {
			f[key] = *v
		}
	}
	if p := m.Progress; p != nil {
		f["track_progress"], f["track_duration"], f["playback_speed"] = p.PositionMS, p.DurationMS, p.Speed
	}
	return f
}
