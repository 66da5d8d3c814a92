package gallery

import "github.com/tutti-audio/tutti/sendspin/wire"

// wanted is what a channel should show now, and what it should show next.
func (g *Gallery) wanted(ch int, now int64) (cur Picture, up *Picture) {
	list := g.album
	switch g.config[ch].Source {
	case wire.ArtworkArtist:
		list = g.artist
	case wire.ArtworkNone:
		return Picture{}, nil
	}
	for i, p := range list {
		if p.At > now {
			return cur, &list[i]
		}
		cur = p
	}
	return cur, nil
}

// key names the image of a picture for a channel.
func (g *Gallery) key(ch int, p Picture) Key {
	c := g.config[ch]
	return Key{ID: p.ID, Format: c.Format, Width: c.Width, Height: c.Height, Instance: p.Instance}
}

// effective is what a picture comes down to: its id, or "" when there is none to be had.
// ready is false while that is not known.
func (g *Gallery) effective(ch int, p Picture) (id string, ready bool) {
	if p.ID == "" {
		return "", true
	}
	i := g.images[g.key(ch, p)]
	switch {
	case i == nil || !i.ready:
		return "", false
	case len(i.data) == 0:
		return "", true
	}
	return p.ID, true
}

// retry is when an image that could not be had is asked for again; 0: there is none.
func (g *Gallery) retry(now int64) (at int64) {
	for _, i := range g.images {
		if !i.asked && i.again > now {
			at = earliest(at, i.again)
		}
	}
	return at
}

// Fetch returns the images that have to be fetched now; each is to be answered with
// Deliver. Images that nobody wants any more are forgotten.
func (g *Gallery) Fetch(now int64) []Key {
	if !g.active {
		return nil
	}
	need := map[Key]bool{}
	for ch := range g.told {
		cur, up := g.wanted(ch, now)
		if cur.ID != "" {
			need[g.key(ch, cur)] = true
		}
		if up != nil && up.ID != "" && up.At-now <= Horizon {
			need[g.key(ch, *up)] = true
		}
	}
	for k, i := range g.images {
		if !need[k] && !i.asked {
			delete(g.images, k)
		}
	}
	var out []Key
	for k := range need {
		i := g.images[k]
		if i == nil {
			i = &image{}
			g.images[k] = i
		}
		if !i.asked && len(i.data) == 0 && i.again <= now {
			i.asked = true
			out = append(out, k)
		}
	}
	return out
}

// Deliver answers Fetch. No data means that the image cannot be had: the channel is
// cleared instead, and the image is asked for again later.
func (g *Gallery) Deliver(k Key, data []byte, now int64) {
	i := g.images[k]
	if i == nil {
		return
	}
	i.asked, i.ready, i.data = false, true, data
	if len(data) == 0 || len(data) > MaxImage {
		i.data, i.again = nil, now+retryUS
	}
}
