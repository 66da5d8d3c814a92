package art

import (
	"image"
	"image/color"

	"golang.org/x/image/draw"
)

// Inside is the largest size with the aspect ratio of src that fits into w by h, at least
// one pixel each way. One of its sides is that of the box, unless a side of src would
// vanish.
func Inside(src image.Point, w, h int) image.Point {
	x, y, bw, bh := int64(src.X), int64(src.Y), int64(w), int64(h)
	if x*bh >= y*bw { // as wide as the box, or wider
		return image.Pt(w, int(max((2*y*bw+x)/(2*x), 1)))
	}
	return image.Pt(int(max((2*x*bh+y)/(2*y), 1)), h)
}

// Fit scales a picture to fit into w by h pixels, as section client/state artwork object
// asks: the aspect ratio stays, what is left over is black, nothing is cut off. What is
// transparent is seen on black.
func Fit(p Picture, w, h int) *image.RGBA {
	out := black(image.Rect(0, 0, w, h))
	size := Inside(p.Size(), w, h)
	at := image.Pt((w-size.X)/2, (h-size.Y)/2)
	target := image.Rectangle{at, at.Add(size)}
	if p.Turn <= 1 {
		draw.CatmullRom.Scale(out, target, p.Image, p.Bounds(), draw.Over, nil)
		return out
	}
	lying := size
	if p.Turn >= 5 {
		lying.X, lying.Y = size.Y, size.X
	}
	small := black(image.Rectangle{Max: lying})
	draw.CatmullRom.Scale(small, small.Bounds(), p.Image, p.Bounds(), draw.Over, nil)
	turn(out, target, small, p.Turn)
	return out
}

func black(r image.Rectangle) *image.RGBA {
	m := image.NewRGBA(r)
	draw.Draw(m, r, image.NewUniform(color.Black), image.Point{}, draw.Src)
	return m
}

// turn copies src to target in dst by an EXIF orientation: how the 0th row and the 0th
// column of src are seen is what the orientation names.
func turn(dst *image.RGBA, target image.Rectangle, src *image.RGBA, orientation int) {
	w, h := src.Rect.Dx()-1, src.Rect.Dy()-1
	for y := range h + 1 {
		for x := range w + 1 {
			at := image.Pt(x, y)
			switch orientation {
			case 2: // mirrored
				at = image.Pt(w-x, y)
			case 3: // upside down
				at = image.Pt(w-x, h-y)
			case 4: // upside down, mirrored
				at = image.Pt(x, h-y)
			case 5: // transposed
				at = image.Pt(y, x)
			case 6: // needs a quarter turn clockwise
				at = image.Pt(h-y, x)
			case 7: // transposed along the other diagonal
				at = image.Pt(h-y, w-x)
			case 8: // needs a quarter turn counter-clockwise
				at = image.Pt(y, w-x)
			}
			at = at.Add(target.Min)
			copy(dst.Pix[dst.PixOffset(at.X, at.Y):][:4], src.Pix[src.PixOffset(x, y):][:4])
		}
	}
}
