package wire

// Sources of [ArtworkChannel].
const (
	ArtworkAlbum  = "album"
	ArtworkArtist = "artist"
	ArtworkNone   = "none"
)

// Image formats of [ArtworkChannel].
const (
	ImageJPEG = "jpeg"
	ImagePNG  = "png"
)

// MaxArtworkChannels is the number of artwork channels a client can have.
const MaxArtworkChannels = 4

// ArtworkChannel is what one channel carries, asked for or streamed. Format, Width
// and Height are set unless Source is ArtworkNone.
type ArtworkChannel struct {
	// Source is ArtworkAlbum, ArtworkArtist or ArtworkNone.
	Source string
	// Format is ImageJPEG or ImagePNG.
	Format string
	// Width and Height are in pixels, at least 1.
	Width  int
	Height int
}

// ArtworkState is the artwork object of client/state. The index is the channel; a
// channel that the list does not cover is ArtworkNone.
type ArtworkState struct {
	Channels []ArtworkChannel
}

// ArtworkStream is the artwork object of stream/start; Channels is as in
// [ArtworkState].
type ArtworkStream struct {
	Channels []ArtworkChannel
}
