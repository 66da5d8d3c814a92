package source_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tutti-audio/tutti/audio/source"
)

func TestMakeTempDirLeavesNothingBehind(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "spool [1]")
	if err := source.MakeTempDir(dir); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v; want a folder for this user alone", st, err)
	}
	for _, name := range []string{"tutti-123.media", "mine.txt"} {
		write(t, filepath.Join(dir, name), []byte("left"))
	}
	if err := source.MakeTempDir(dir); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 || left[0].Name() != "mine.txt" {
		t.Errorf("left are %v, %v; want what is not the library's alone", left, err)
	}
}

func TestMakeTempDirTellsWhatItCannotWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, nil)
	if err := source.MakeTempDir(filepath.Join(file, "spool")); err == nil {
		t.Error("a folder below a file was made")
	}
}
