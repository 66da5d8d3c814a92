// Package console is the web console as the management service serves it: files that
// `npm run build` in console/ made, embedded.
package console

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var files embed.FS

// Files is the built console: index.html, its assets, and licenses.txt.
func Files() fs.FS {
	sub, err := fs.Sub(files, "dist")
	if err != nil { // dist is a constant name of an embedded folder
		panic(err)
	}
	return sub
}
