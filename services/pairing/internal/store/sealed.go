package store

import "github.com/tutti-audio/tutti/services/pairing/internal/secret"

// SealedColumn is a column whose values are sealed under the deployment key, each
// for its [secret.Place].
type SealedColumn struct {
	Table, Column string
	// Row is the column that names the row in the Place.
	Row string
}

// SealedColumns lists every sealed column. The rotation of the deployment key and
// backups go by it; a test fails when a migration adds a column "sealed_…" that is
// not in it.
func SealedColumns() []SealedColumn {
	return []SealedColumn{
		{Table: "identity", Column: "sealed_key", Row: "server_id"},
		{Table: "pairing_records", Column: "sealed_psk", Row: "client_id"},
		{Table: "enrolments", Column: "sealed_psk", Row: "client_id"},
		{Table: "personas", Column: "sealed_key", Row: "persona_id"},
		{Table: "former_identities", Column: "sealed_key", Row: "server_id"},
	}
}

// placeOf says whether the value of a column of a row is sealed, and where it stands.
func placeOf(table, column string, row func(column string) any) (secret.Place, bool) {
	for _, s := range SealedColumns() {
		if s.Table == table && s.Column == column {
			name, _ := row(s.Row).(string)
			return secret.Place{Table: table, Column: column, Row: name}, true
		}
	}
	return secret.Place{}, false
}

// unseal opens a value as it is in the database. An empty one stays empty: a row
// whose secret was taken away.
func unseal(key secret.Key, v any, at secret.Place) ([]byte, error) {
	sealed, _ := v.([]byte)
	if len(sealed) == 0 {
		return nil, nil
	}
	return key.Open(sealed, at)
}

// seal is the inverse of unseal.
func seal(key secret.Key, plain []byte, at secret.Place) ([]byte, error) {
	if len(plain) == 0 {
		return []byte{}, nil
	}
	return key.Seal(plain, at)
}
