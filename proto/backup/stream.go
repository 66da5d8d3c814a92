package backup

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// line is a record as it is written.
type line struct {
	Kind string `json:"k"`
	*Header
	*Trust
	*Row
	*Entry
	*End
}

// Writer writes records and counts them. Not safe for concurrent use.
type Writer struct {
	zip *gzip.Writer
	enc *json.Encoder
	end End
}

// NewWriter compresses to w, which the caller closes after End.
func NewWriter(w io.Writer) *Writer {
	z := gzip.NewWriter(w)
	enc := json.NewEncoder(z)
	enc.SetEscapeHTML(false)
	return &Writer{zip: z, enc: enc}
}

// Header writes the first record of a file.
func (w *Writer) Header(h Header) error {
	h.Format, h.Version = Format, Version
	return w.write(line{Kind: "header", Header: &h})
}

// Trust begins the pairing database.
func (w *Writer) Trust(t Trust) error { return w.write(line{Kind: "trust", Trust: &t}) }

// Row writes one row.
func (w *Writer) Row(r Row) error {
	w.end.Rows++
	return w.write(line{Kind: "row", Row: &r})
}

// Entry writes one entry of a bucket.
func (w *Writer) Entry(e Entry) error {
	w.end.Entries++
	return w.write(line{Kind: "entry", Entry: &e})
}

// Copy writes what a Reader gave, except an end.
func (w *Writer) Copy(r Record) error {
	switch {
	case r.Trust != nil:
		return w.Trust(*r.Trust)
	case r.Row != nil:
		return w.Row(*r.Row)
	case r.Entry != nil:
		return w.Entry(*r.Entry)
	}
	return errors.New("backup: this record is not copied")
}

// End writes the last record and flushes.
func (w *Writer) End() (End, error) {
	if err := w.write(line{Kind: "end", End: &w.end}); err != nil {
		return w.end, err
	}
	if err := w.zip.Close(); err != nil {
		return w.end, fmt.Errorf("backup: write: %w", err)
	}
	return w.end, nil
}

func (w *Writer) write(l line) error {
	if err := w.enc.Encode(l); err != nil {
		return fmt.Errorf("backup: write %s: %w", l.Kind, err)
	}
	return nil
}

// Reader reads records. Not safe for concurrent use.
type Reader struct {
	zip *gzip.Reader
	in  *bufio.Reader
	end End
	fin bool
}

// NewReader reads what a Writer wrote. It consumes r to its end, so that a seal
// around it is checked as a whole.
func NewReader(r io.Reader) (*Reader, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, broken(err)
	}
	return &Reader{zip: z, in: bufio.NewReaderSize(z, 64<<10)}, nil
}

// Next is the next record; io.EOF after the end. Errors wrap ErrNewer, ErrTruncated
// or ErrForm where one of them is the cause.
func (r *Reader) Next() (Record, error) {
	b, err := r.line()
	if errors.Is(err, io.EOF) && r.fin && len(b) == 0 {
		return Record{}, io.EOF
	}
	if err != nil {
		return Record{}, broken(err)
	}
	if r.fin {
		return Record{}, fmt.Errorf("%w: something follows its end", ErrForm)
	}
	var kind struct {
		Kind string `json:"k"`
	}
	if err := json.Unmarshal(b, &kind); err != nil {
		return Record{}, fmt.Errorf("%w: a line is no JSON object", ErrForm)
	}
	rec, err := decode(kind.Kind, b)
	if err != nil {
		return rec, err
	}
	return rec, r.count(rec)
}

// line reads to the end of a line, within maxLine.
func (r *Reader) line() ([]byte, error) {
	var out []byte
	for {
		part, err := r.in.ReadSlice('\n')
		out = append(out, part...)
		if len(out) > maxLine {
			return nil, fmt.Errorf("%w: a line is longer than %d bytes", ErrForm, maxLine)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return out, err
		}
	}
}

func decode(kind string, b []byte) (rec Record, err error) {
	switch kind {
	case "header":
		rec.Header = new(Header)
		err = json.Unmarshal(b, rec.Header)
	case "trust":
		rec.Trust = new(Trust)
		err = json.Unmarshal(b, rec.Trust)
	case "row":
		rec.Row = new(Row)
		err = json.Unmarshal(b, rec.Row)
	case "entry":
		rec.Entry = new(Entry)
		err = json.Unmarshal(b, rec.Entry)
	case "end":
		rec.End = new(End)
		err = json.Unmarshal(b, rec.End)
	default:
		return rec, fmt.Errorf("%w: it holds a record of an unknown kind", ErrForm)
	}
	if err != nil {
		return Record{}, fmt.Errorf("%w: a record cannot be read", ErrForm)
	}
	return rec, nil
}

// count checks what each record has to fit.
func (r *Reader) count(rec Record) error {
	switch {
	case rec.Header != nil && rec.Header.Format != Format:
		return ErrForm
	case rec.Header != nil && rec.Header.Version > Version:
		return ErrNewer
	case rec.Row != nil:
		r.end.Rows++
	case rec.Entry != nil:
		r.end.Entries++
	case rec.End != nil:
		r.fin = true
		if *rec.End != r.end {
			return fmt.Errorf("%w: it counts %d rows and %d entries, and %d and %d are there", ErrForm,
				rec.End.Rows, rec.End.Entries, r.end.Rows, r.end.Entries)
		}
	}
	return nil
}

// broken sorts the errors of a stream that ends too early or is none.
func broken(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w (%w)", ErrTruncated, err)
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum):
		return fmt.Errorf("%w (%w)", ErrForm, err)
	}
	return err
}
