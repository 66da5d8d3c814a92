package wire

import (
	"encoding/binary"
	"fmt"
)

// ArtworkKind tells the three artwork messages apart.
type ArtworkKind int

// Kinds of [ArtworkMessage].
const (
	// ArtworkPart carries bytes of the image that was announced.
	ArtworkPart ArtworkKind = iota
	// ArtworkAnnounce starts the transfer of an image.
	ArtworkAnnounce
	// ArtworkCancel discards the channel's pending image.
	ArtworkCancel
)

// Limits of artwork messages (section Artwork (Binary)).
const (
	// MaxArtworkMessage is the largest artwork message, ID included.
	MaxArtworkMessage = 65519
	// MaxArtworkPart is the largest number of image bytes in one part.
	MaxArtworkPart = MaxArtworkMessage - 2

	artworkAnnounceLen = 14
	artworkFlagCancel  = 1 << 0
	artworkFlagBegin   = 1 << 1
)

// ArtworkMessage is a parsed artwork message.
//
//	announce  [8+channel][flags=2][timestamp:8][total_size:4]
//	part      [8+channel][flags=0][data…]
//	cancel    [8+channel][flags=1]
type ArtworkMessage struct {
	Kind ArtworkKind
	// Channel is 0-3.
	Channel int
	// Timestamp is when the image should be shown, server microseconds. Announce
	// only.
	Timestamp int64
	// TotalSize is the size of the encoded image in bytes, 0 to clear the channel.
	// Announce only.
	TotalSize uint32
	// Data is the next bytes of the image; it aliases the parsed message. Part only.
	Data []byte
}

// AppendArtwork appends a whole artwork message to dst. It panics when the channel
// is not 0-3 or a part's data is longer than MaxArtworkPart.
func AppendArtwork(dst []byte, m ArtworkMessage) []byte {
	if m.Channel < 0 || m.Channel >= MaxArtworkChannels {
		panic(fmt.Sprintf("wire: artwork channel %d", m.Channel))
	}
	id := IDArtwork0 + byte(m.Channel)
	switch m.Kind {
	case ArtworkAnnounce:
		dst = append(dst, id, artworkFlagBegin)
		dst = binary.BigEndian.AppendUint64(dst, uint64(m.Timestamp))
		return binary.BigEndian.AppendUint32(dst, m.TotalSize)
	case ArtworkCancel:
		return append(dst, id, artworkFlagCancel)
	default:
		if len(m.Data) > MaxArtworkPart {
			panic(fmt.Sprintf("wire: artwork part of %d bytes", len(m.Data)))
		}
		dst = append(dst, id, 0)
		return append(dst, m.Data...)
	}
}

// ParseArtwork reads an artwork message, its ID and what follows it. What the
// specification calls a malformed message is a [*BinaryError]; sequences are checked
// by the session.
func ParseArtwork(id byte, payload []byte) (ArtworkMessage, error) {
	fail := func(problem string) (ArtworkMessage, error) {
		return ArtworkMessage{}, &BinaryError{ID: id, Problem: problem}
	}
	if id < IDArtwork0 || id > IDArtwork3 {
		return fail("not an artwork message")
	}
	if len(payload) < 1 {
		return fail("no flags")
	}
	if len(payload) > MaxArtworkMessage-1 {
		return fail("message too long")
	}
	m := ArtworkMessage{Channel: int(id - IDArtwork0)}
	data := payload[1:]
	switch payload[0] {
	case 0:
		m.Kind, m.Data = ArtworkPart, data
	case artworkFlagCancel:
		if len(data) != 0 {
			return fail("cancel with data")
		}
		m.Kind = ArtworkCancel
	case artworkFlagBegin:
		if len(data) != artworkAnnounceLen-2 {
			return fail("announce is not 14 bytes long")
		}
		m.Kind = ArtworkAnnounce
		m.Timestamp = int64(binary.BigEndian.Uint64(data))
		m.TotalSize = binary.BigEndian.Uint32(data[8:])
	case artworkFlagCancel | artworkFlagBegin:
		return fail("announce and cancel at once")
	default:
		return fail("reserved flag set")
	}
	return m, nil
}
