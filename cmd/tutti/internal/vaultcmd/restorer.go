package vaultcmd

import (
	"context"
	"errors"
	"io"
	"maps"
	"os"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	"github.com/tutti-audio/tutti/services/management"
)

// Restorer opens backups for a server's operator API, as app.Restorer.
type Restorer struct{}

// Inspect implements app.Restorer.
func (Restorer) Inspect(_ context.Context, file io.ReadSeeker, passphrase string) (out management.BackupContents, err error) {
	s, err := openServed(file, passphrase)
	if err != nil {
		return out, err
	}
	c, err := s.count()
	if err != nil {
		return out, badBackup(err)
	}
	out = management.BackupContents{
		MadeAt: c.MadeAt, MadeBy: c.By, ServerName: c.ServerName, ServerID: c.ServerID, Fingerprint: c.Fingerprint,
		Version: c.Version, Database: c.Database, Clients: c.Rows["clients"], AuditLines: c.Rows["audit"],
		Groups: c.Entries[subject.BucketGroups], Users: c.Users, Records: map[string]int{},
	}
	maps.Copy(out.Records, c.Rows)
	maps.Copy(out.Records, c.Entries)
	return out, nil
}

// Restore implements app.Restorer.
func (Restorer) Restore(ctx context.Context, dir, keyFile, key string, file io.ReadSeeker, passphrase string, acceptBroken bool) error {
	s, err := openServed(file, passphrase)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fault.Wrap(fault.Conflict, err, "the data directory cannot be written")
	}
	o := RestoreOptions{Place: Place{DataDir: dir, KeyFile: keyFile, Key: key}, AcceptBroken: acceptBroken}
	if err := bringBack(ctx, o, s, io.Discard); err != nil {
		return badBackup(err)
	}
	return nil
}

// openServed opens a backup that was sent to a server.
func openServed(file io.ReadSeeker, passphrase string) (*sealedFile, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "read the backup")
	}
	s := &sealedFile{name: "the backup", file: file}
	if err := s.begin(passphrase, maxServedFactor); err != nil {
		return nil, badBackup(err)
	}
	return s, nil
}

// badBackup is an error as the API says it: which of the two that were sent is wrong.
func badBackup(err error) error {
	location := "body"
	if errors.Is(err, errPassphrase) {
		location = "header.Tutti-Passphrase"
	}
	return (&fault.Error{Code: fault.OutOfRange, Msg: err.Error()}).WithField(location, err.Error())
}
