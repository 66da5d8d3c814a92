package model

import "time"

// Library is one folder of the music library.
type Library struct {
	Path    string         `json:"path" doc:"Below the music folder; empty for its root."`
	Entries []LibraryEntry `json:"entries" nullable:"false"`
}

// LibrarySearch is what a search found.
type LibrarySearch struct {
	Query   string         `json:"query"`
	Found   int32          `json:"found" doc:"How many there are, of which entries are the first."`
	Entries []LibraryEntry `json:"entries" nullable:"false"`
}

// LibraryEntry is a folder, a file that can be played, or a list of such.
type LibraryEntry struct {
	Name        string `json:"name"`
	Path        string `json:"path" doc:"Usable as a play uri."`
	Folder      bool   `json:"folder"`
	Playlist    bool   `json:"playlist,omitempty"`
	Title       string `json:"title,omitempty"`
	Artist      string `json:"artist,omitempty"`
	Album       string `json:"album,omitempty"`
	AlbumArtist string `json:"album_artist,omitempty"`
	Track       int32  `json:"track,omitempty"`
	Disc        int32  `json:"disc,omitempty"`
	Year        int32  `json:"year,omitempty"`
	DurationMS  int64  `json:"duration_ms,omitempty"`
	SampleRate  int32  `json:"sample_rate,omitempty"`
	BitDepth    int32  `json:"bit_depth,omitempty"`
	Channels    int32  `json:"channels,omitempty"`
	Codec       string `json:"codec,omitempty"`
	Cover       bool   `json:"cover,omitempty" doc:"A picture lies in the file."`
	Error       string `json:"error,omitempty" doc:"Why the file cannot be played."`
}

// LibraryStatus is how far the index of the music folder is.
type LibraryStatus struct {
	State      string     `json:"state" enum:"off,scanning,ready,failed" doc:"off: no music folder is set."`
	FilesFound int64      `json:"files_found" doc:"By the scan that runs, or by the last one."`
	FilesRead  int64      `json:"files_read" doc:"Of those, the ones whose tags are known."`
	Tracks     int64      `json:"tracks"`
	Playlists  int64      `json:"playlists"`
	Unreadable int64      `json:"unreadable" doc:"Files and folders that cannot be read or played."`
	ScannedAt  *time.Time `json:"scanned_at,omitempty"`
	Error      string     `json:"error,omitempty"`
	Decoders   []string   `json:"decoders" nullable:"false" doc:"Formats that can be played here." example:"[\"flac\",\"aac (ffmpeg)\"]"`
	Encoders   []string   `json:"encoders" nullable:"false" doc:"Codecs that players can be sent."`
}
