package deploy

import (
	"bufio"
	"bytes"
)

func newReader(data []byte) *bufio.Reader { return bufio.NewReader(bytes.NewReader(data)) }

func firstLines(doc []byte, n int) []byte {
	lines := bytes.SplitAfterN(doc, []byte("\n"), n+1)
	if len(lines) > n {
		lines = lines[:n]
	}
	return bytes.Join(lines, nil)
}
