package ctlcmd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func libraryCommand() *cobra.Command {
	c := command("library [path]", "Browse and search the server's music folder",
		"What is printed under PATH can be played.", `  tutti library
  tutti library jazz
  tutti library search take five
  tutti library status`,
		cobra.MaximumNArgs(1), (*run).browse)
	c.AddCommand(
		command("ls [path]", "Browse, also a folder that is called like a command", "", "  tutti library ls jazz", cobra.MaximumNArgs(1), (*run).browse),
		command("search <word...>", "Search titles, artists, albums and paths",
			"Finds what holds every word, or a word that begins like it. Case and accents do not count.",
			"  tutti library search bjork hunt", cobra.MinimumNArgs(1), func(r *run, args []string) error {
				l, raw, err := get[apiLibrary](r, "/api/v1/library/search?limit=100&q="+url.QueryEscape(strings.Join(args, " ")))
				if err != nil {
					return err
				}
				return r.show(raw, func() error { return r.printFound(l, strings.Join(args, " ")) })
			}),
		libraryStatusCommand(),
		command("rescan", "Look at every folder again", "Changes are followed by themselves; this is for network folders that do not tell them.",
			"  tutti library rescan", cobra.NoArgs, func(r *run, _ []string) error {
				raw, err := r.api.do(r.ctx, http.MethodPost, "/api/v1/library/rescan", nil)
				if err != nil {
					return err
				}
				return r.done(raw, "the music folder is looked at again: 'tutti library status' shows how far it is")
			}),
	)
	return c
}

func (r *run) browse(args []string) error {
	path := "/api/v1/library"
	if len(args) == 1 {
		path += "?path=" + url.QueryEscape(args[0])
	}
	l, raw, err := get[apiLibrary](r, path)
	if err != nil {
		return err
	}
	return r.show(raw, func() error {
		if len(l.Entries) == 0 {
			_, err := fmt.Fprintln(r.out, "nothing to play here: 'tutti library status' tells what can be played (tutti serve --music DIR sets the folder)")
			return err
		}
		return r.printEntries(l.Entries)
	})
}

func (r *run) printFound(l apiLibrary, query string) error {
	if len(l.Entries) == 0 {
		_, err := fmt.Fprintf(r.out, "nothing holds all of %q: write fewer words, or only their beginnings\n", query)
		return err
	}
	err := r.printEntries(l.Entries)
	if more := l.Found - len(l.Entries); err == nil && more > 0 {
		_, err = fmt.Fprintf(r.out, "and %d more: write another word\n", more)
	}
	return err
}

func (r *run) printEntries(entries []apiLibraryEntry) error {
	t := newTable("PATH", "TITLE", "ARTIST", "LENGTH", "FORMAT")
	for _, e := range entries {
		switch {
		case e.Folder:
			t.add(e.Path+"/", "", "", "", "")
		case e.Error != "":
			t.add(e.Path, "cannot be played: "+e.Error, "", "", "")
		case e.Playlist:
			t.add(e.Path, "", "", "", "playlist")
		default:
			length, format := "-", "-"
			if e.DurationMS > 0 {
				length = clock(e.DurationMS)
			}
			if e.SampleRate > 0 {
				format = fmt.Sprintf("%g kHz/%d", float64(e.SampleRate)/1000, e.BitDepth)
			}
			t.add(e.Path, dash(e.Title), dash(e.Artist), length, format)
		}
	}
	return t.print(r.out)
}

// lookEvery is how often --watch asks.
const lookEvery = time.Second

func libraryStatusCommand() *cobra.Command {
	watch := false
	c := command("status", "How far the scan of the music folder is, and what can be played", "",
		`  tutti library status
  tutti library status --watch`, cobra.NoArgs, func(r *run, _ []string) error {
			s, raw, err := get[apiLibraryStatus](r, "/api/v1/library/status")
			for watch && err == nil && s.State == "scanning" {
				r.scanning(s)
				select {
				case <-r.ctx.Done():
					return nil
				case <-time.After(lookEvery):
				}
				s, raw, err = get[apiLibraryStatus](r, "/api/v1/library/status")
			}
			if err != nil {
				return err
			}
			return r.showStatus(s, raw)
		})
	c.Flags().BoolVarP(&watch, "watch", "w", false, "stay until the scan is done")
	return c
}

// scanning draws the bar in one place of a terminal. Elsewhere only the end is told.
func (r *run) scanning(s apiLibraryStatus) {
	if f, ok := r.out.(*os.File); ok && !r.json && term.IsTerminal(int(f.Fd())) {
		_, _ = fmt.Fprintf(f, "\r\x1b[K%s", scanLine(s))
	}
}

func scanLine(s apiLibraryStatus) string {
	return fmt.Sprintf("%s %d of %d files read", bar(s.FilesRead, max(s.FilesFound, 1), 20, "█", "░"), s.FilesRead, s.FilesFound)
}

func (r *run) showStatus(s apiLibraryStatus, raw json.RawMessage) error {
	return r.show(raw, func() error {
		var b strings.Builder
		switch s.State {
		case "off":
			b.WriteString("no music folder is set: tutti serve --music DIR\n")
		case "scanning":
			b.WriteString("scanning " + scanLine(s) + "\n")
		case "failed":
			b.WriteString("the music folder cannot be scanned: " + clean(s.Error) + "\n")
		default:
			fmt.Fprintf(&b, "ready, scanned %s\n", ago(s.ScannedAt, time.Now()))
		}
		if s.State != "off" {
			fmt.Fprintf(&b, "%s, %s", plural(int(s.Tracks), "track"), plural(int(s.Playlists), "playlist"))
			if s.Unreadable > 0 {
				fmt.Fprintf(&b, ", %d that cannot be read", s.Unreadable)
			}
			b.WriteString("\n")
		}
		b.WriteString("plays " + clean(strings.Join(s.Decoders, ", ")) + "\n")
		_, err := fmt.Fprint(r.out, b.String())
		return err
	})
}
