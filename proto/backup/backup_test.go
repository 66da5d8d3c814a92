package backup

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func example() []Record {
	return []Record{
		{Header: &Header{Format: Format, Version: Version, MadeAt: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Actor: "token:admin", Server: "Casa <Verde>", Tutti: "1.0"}},
		{Trust: &Trust{Schema: 3, ServerID: "id", Fingerprint: "A-B", Database: "SQLite", HeadID: math.MaxUint64, HeadHash: []byte{1, 2}}},
		{Row: &Row{Table: "t", Values: map[string]Value{
			"nothing": {nil}, "number": {int64(math.MinInt64)}, "big": {int64(math.MaxInt64)}, "text": {"\x00 ü \" {}"}, "empty text": {""},
			"bytes": {[]byte{0, 255}}, "no bytes": {[]byte{}}, "secret": {Secret("s3cret")}, "no secret": {Secret{}},
		}}},
		{Entry: &Entry{Bucket: "groups", Key: "a b", Data: []byte("data")}},
		{Entry: &Entry{Bucket: "groups", Key: "empty", Data: []byte{}}},
	}
}

func write(t testing.TB, records []Record) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b)
	for _, r := range records {
		var err error
		if r.Header != nil {
			err = w.Header(*r.Header)
		} else {
			err = w.Copy(r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.End(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func readAll(b []byte) (out []Record, err error) {
	r, err := NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) && !errors.Is(err, ErrTruncated) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, rec)
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	want := example()
	got, err := readAll(write(t, want))
	if err != nil {
		t.Fatal(err)
	}
	if end := got[len(got)-1].End; end == nil || *end != (End{Rows: 1, Entries: 2}) {
		t.Errorf("it ends with %+v", got[len(got)-1])
	}
	if got = got[:len(got)-1]; !reflect.DeepEqual(got, want) {
		t.Errorf("got  %#v\nwant %#v", got, want)
	}
}

func TestEveryTruncationIsAnError(t *testing.T) {
	whole := write(t, example())
	for n := range whole {
		if _, err := readAll(whole[:n]); err == nil {
			t.Fatalf("%d of %d bytes look whole", n, len(whole))
		}
	}
}

// lines makes a sequence of given lines.
func lines(lines ...string) []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.NoCompression)
	_, _ = z.Write([]byte(strings.TrimSuffix(strings.Join(lines, "\n"), "\n") + "\n"))
	_ = z.Close()
	return b.Bytes()
}

func TestWhatIsNoBackupIsRefused(t *testing.T) {
	const end = `{"k":"end","rows":0,"entries":0}`
	for name, tc := range map[string]struct {
		in   []byte
		want error
	}{
		"a newer version":          {lines(`{"k":"header","format":"tutti-backup","version":2}`, end), ErrNewer},
		"another format":           {lines(`{"k":"header","format":"zip","version":1}`, end), ErrForm},
		"an unknown kind":          {lines(`{"k":"planet"}`, end), ErrForm},
		"no kind":                  {lines(`{}`, end), ErrForm},
		"no JSON":                  {lines(`hello`, end), ErrForm},
		"a wrong type":             {lines(`{"k":"row","t":7}`, end), ErrForm},
		"a fraction":               {lines(`{"k":"row","t":"a","v":{"x":1.5}}`, end), ErrForm},
		"neither bytes nor secret": {lines(`{"k":"row","t":"a","v":{"x":{}}}`, end), ErrForm},
		"bytes and a secret":       {lines(`{"k":"row","t":"a","v":{"x":{"bytes":"","secret":""}}}`, end), ErrForm},
		"fewer rows than it says":  {lines(`{"k":"end","rows":1,"entries":0}`), ErrForm},
		"something after the end":  {lines(end, end), ErrForm},
		"no end":                   {lines(`{"k":"row","t":"a","v":{}}`), ErrTruncated},
		"nothing":                  {nil, ErrTruncated},
		"no gzip":                  {[]byte("I am a text, and no backup at all"), ErrForm},
		"an endless line":          {lines(`{"k":"row","t":"` + strings.Repeat("a", maxLine) + `"}`), ErrForm},
	} {
		if _, err := readAll(tc.in); !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", name, err, tc.want)
		}
	}
}

func TestASecretDoesNotShow(t *testing.T) {
	s := Secret("hunter2")
	for _, f := range []string{"%v", "%s", "%+v", "%#v", "%q"} {
		if got := fmt.Sprintf(f, s); strings.Contains(got, "hunter2") {
			t.Errorf("%s shows %s", f, got)
		}
		if got := fmt.Sprintf(f, Value{s}); strings.Contains(got, "hunter2") {
			t.Errorf("%s of a value shows %s", f, got)
		}
	}
}

// FuzzRead fuzzes the lines; the compression around them is the library's.
func FuzzRead(f *testing.F) {
	z, err := gzip.NewReader(bytes.NewReader(write(f, example())))
	if err != nil {
		f.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	f.Add([]byte(`{"k":"row","t":"a","v":{"x":{"bytes":"AA=="}}}` + "\n" + `{"k":"end","rows":1,"entries":0}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		records, err := readAll(lines(string(b)))
		if err != nil || len(records) == 0 {
			return
		}
		again, err := readAll(write(t, records[:len(records)-1])) // without the end
		if err != nil || !reflect.DeepEqual(again, records) {
			t.Fatalf("read %#v, written and read again %#v, %v", records, again, err)
		}
	})
}
