package art

import (
	"bytes"
	"fmt"
	"image"
	_ "image/gif" // the formats that covers come in
	_ "image/jpeg"
	_ "image/png"

	_ "golang.org/x/image/webp"

	"github.com/tutti-audio/tutti/platform/fault"
)

// Limits of a picture that is taken in. They are what one picture may cost: a progressive
// JPEG needs up to 12 bytes per pixel while it is decoded.
const (
	// MaxBytes is the largest encoded picture.
	MaxBytes = 20 << 20
	// MaxPixels is the largest picture; a cover of 5000 by 5000 is one.
	MaxPixels = 25_000_000
	// maxSide keeps products of sides small; no format that we read has more.
	maxSide = 65_535
)

// Picture is a decoded picture and the way it is to be turned.
type Picture struct {
	image.Image
	// Turn is the EXIF orientation, 1 to 8; 1 is upright.
	Turn int
}

// Size is the size of the picture when it stands upright.
func (p Picture) Size() image.Point {
	s := p.Bounds().Size()
	if p.Turn >= 5 {
		s.X, s.Y = s.Y, s.X
	}
	return s
}

// Check looks at a picture's header: what it is, how large, and whether Decode would take
// it. The error, a *fault.Error, says what is wrong.
func Check(data []byte) (format string, size image.Point, err error) {
	if len(data) > MaxBytes {
		return "", size, fault.New(fault.TooLarge, "the picture has %d bytes, %d are the limit: make it smaller", len(data), MaxBytes)
	}
	cfg, format, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return "", size, fault.Wrap(fault.Invalid, err, "the picture cannot be read as JPEG, PNG, GIF or WebP")
	}
	size = image.Pt(cfg.Width, cfg.Height)
	switch {
	case size.X < 1 || size.Y < 1:
		return "", size, fault.New(fault.Invalid, "the picture is empty (%d by %d pixels)", size.X, size.Y)
	case size.X > maxSide || size.Y > maxSide || size.X*size.Y > MaxPixels:
		return "", size, fault.New(fault.TooLarge, "the picture has %d by %d pixels, %d in all are the limit: make it smaller", size.X, size.Y, MaxPixels)
	}
	return format, size, nil
}

// Decode decodes a JPEG, PNG, GIF (its first frame) or WebP picture within the limits
// above, which are checked before anything large is allocated.
func Decode(data []byte) (p Picture, err error) {
	format, size, err := Check(data)
	if err != nil {
		return p, err
	}
	defer func() {
		if v := recover(); v != nil {
			p, err = Picture{}, fault.Wrap(fault.Invalid, fmt.Errorf("%v", v), "a parser failed on the picture")
		}
	}()
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return p, fault.Wrap(fault.Invalid, err, "the picture is damaged")
	}
	// A frame of a GIF may be larger than what its header says of the whole.
	if b := img.Bounds(); b.Empty() || b.Dx() > size.X || b.Dy() > size.Y {
		return p, fault.New(fault.Invalid, "the picture says %v pixels and has %v", size, b.Size())
	}
	p = Picture{Image: img, Turn: 1}
	if format == "jpeg" {
		p.Turn = orientation(data)
	}
	return p, nil
}
