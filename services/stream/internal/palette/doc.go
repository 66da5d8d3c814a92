// Package palette finds the colors of a picture, and from them those that a display may
// put text on, with the contrast that the specification asks for (section server/state
// color object).
//
// The pixels are clustered in OKLab (Björn Ottosson, 2020), where equal distances look
// equal: the box of all pixels is cut at its median along its longest side until there
// are enough boxes, and their means are moved by k-means. There is no randomness, so the
// same picture always gives the same colors. Colors for backgrounds and text keep the hue
// of the picture; their lightness moves until the ratio holds for the color as it is told,
// rounded to 8 bits.
package palette
