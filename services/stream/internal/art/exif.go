package art

import "encoding/binary"

// orientation finds the EXIF orientation of a JPEG file, 1 to 8; 1 when it says none.
// EXIF 2.32, sections 4.5 and 4.6.4: a TIFF structure in an APP1 segment.
//
//	FF D8                                  start of image
//	FF E1 [length:2] "Exif" 0 0 [TIFF]     APP1
func orientation(jpeg []byte) int {
	b := jpeg
	if len(b) < 2 || b[0] != 0xFF || b[1] != 0xD8 {
		return 1
	}
	for b = b[2:]; len(b) >= 4 && b[0] == 0xFF; {
		marker, n := b[1], int(binary.BigEndian.Uint16(b[2:]))
		if marker == 0xFF { // fill byte
			b = b[1:]
			continue
		}
		if marker == 0xDA || n < 2 || len(b) < 2+n { // the scan begins, or nonsense
			return 1
		}
		if body := b[4 : 2+n]; marker == 0xE1 && len(body) > 6 && string(body[:6]) == "Exif\x00\x00" {
			return tiffOrientation(body[6:])
		}
		b = b[2+n:]
	}
	return 1
}

// tiffOrientation reads tag 0x0112 of the first directory.
//
//	"II" or "MM", 42:2, offset of the directory:4
//	directory: count:2, then entries [tag:2][type:2][count:4][value:4]
func tiffOrientation(t []byte) int {
	const tag, short, entry = 0x0112, 3, 12
	if len(t) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.BigEndian
	if string(t[:2]) == "II" {
		order = binary.LittleEndian
	}
	at := int64(order.Uint32(t[4:]))
	if at < 8 || at+2 > int64(len(t)) {
		return 1
	}
	n, d := int(order.Uint16(t[at:])), t[at+2:]
	for ; n > 0 && len(d) >= entry; n, d = n-1, d[entry:] {
		if order.Uint16(d) == tag && order.Uint16(d[2:]) == short {
			if v := int(order.Uint16(d[8:])); v >= 1 && v <= 8 {
				return v
			}
			return 1
		}
	}
	return 1
}
