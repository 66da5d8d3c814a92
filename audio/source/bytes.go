package source

import (
	"bytes"
	"context"
)

// held is media in memory.
type held struct{ *bytes.Reader }

func (h held) Size() int64  { return h.Reader.Size() }
func (h held) Local() bool  { return true }
func (h held) Close() error { return nil }

// OpenBytes opens a medium that is in memory, whatever its format, as Open does one of a
// file. name stands for it in errors. data must not change until Close.
func OpenBytes(ctx context.Context, data []byte, name string, o Options) (Source, error) {
	return openMedia(ctx, held{bytes.NewReader(data)}, name, o, false)
}
