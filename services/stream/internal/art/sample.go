package art

import "image"

// inside is the size at which the colors of a picture are counted.
var inside = image.Pt(64, 64)

// center is where Fit puts a picture in a box of that size: the black beside it is not
// the picture's.
func center(p Picture) image.Rectangle {
	size := Inside(p.Size(), inside.X, inside.Y)
	at := image.Pt((inside.X-size.X)/2, (inside.Y-size.Y)/2)
	return image.Rectangle{at, at.Add(size)}
}
