package art

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"

	"github.com/tutti-audio/tutti/platform/fault"
)

// Formats that pictures are encoded in, as the specification spells them.
const (
	JPEG = "jpeg"
	PNG  = "png"
)

// quality of JPEG: no artefacts that a person sees on a cover at arm's length, and a
// third of the bytes of 95.
const quality = 88

// Limits of a picture that is made.
const (
	// MaxSide is the longest side that a display may ask for.
	MaxSide = 8192
	// MaxMade is the largest number of pixels, that of a display of 4096 by 4096: such a
	// picture takes 64 MiB while it is made.
	MaxMade = 4096 * 4096
)

// CheckSize refuses sizes that are not made.
func CheckSize(w, h int) error {
	if w < 1 || h < 1 || w > MaxSide || h > MaxSide || w*h > MaxMade {
		return fault.New(fault.OutOfRange, "a picture of %d by %d pixels cannot be made: each side has 1 to %d, all together at most %d", w, h, MaxSide, MaxMade)
	}
	return nil
}

// Encode encodes a fitted picture as JPEG or PNG.
func Encode(m *image.RGBA, format string) ([]byte, error) {
	var b bytes.Buffer
	var err error
	switch format {
	case JPEG:
		err = jpeg.Encode(&b, m, &jpeg.Options{Quality: quality})
	case PNG:
		err = (&png.Encoder{CompressionLevel: png.DefaultCompression}).Encode(&b, m)
	default:
		return nil, fault.New(fault.OutOfRange, "pictures are made as %s or %s, not as %q", JPEG, PNG, format)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the picture cannot be encoded as %s", format)
	}
	return b.Bytes(), nil
}
