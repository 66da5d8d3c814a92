package ctlcmd

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

func queueCommand() *cobra.Command {
	c := command("queue <group>", "Show what a group plays next; add to it",
		"", `  tutti queue Downstairs
  tutti queue add Downstairs jazz/so-what.flac jazz/blue-in-green.flac
  tutti queue clear Downstairs`,
		cobra.ExactArgs(1), func(r *run, args []string) error {
			g, err := r.group(args[0])
			if err != nil {
				return err
			}
			q, raw, err := get[apiQueue](r, groupPath(g)+"/queue")
			if err != nil {
				return err
			}
			return r.show(raw, func() error { return r.printQueue(g, q) })
		})
	c.AddCommand(
		command("add <group> <uri...>", "Append to the queue", "Does not start playback.", "  tutti queue add Downstairs jazz/so-what.flac",
			cobra.MinimumNArgs(2), func(r *run, args []string) error {
				g, err := r.group(args[0])
				if err != nil {
					return err
				}
				q, raw, err := call[apiQueue](r, http.MethodPost, groupPath(g)+"/queue", map[string]any{"uris": args[1:]})
				if err != nil {
					return err
				}
				return r.done(raw, "the queue of %s has %d titles", clean(g.display()), len(q.Items))
			}),
		command("clear <group>", "Empty the queue", "", "  tutti queue clear Downstairs",
			cobra.ExactArgs(1), func(r *run, args []string) error {
				g, err := r.group(args[0])
				if err != nil {
					return err
				}
				raw, err := r.api.do(r.ctx, http.MethodDelete, groupPath(g)+"/queue", nil)
				if err != nil {
					return err
				}
				return r.done(raw, "the queue of %s is empty", clean(g.display()))
			}),
	)
	return c
}

func (r *run) printQueue(g apiGroup, q apiQueue) error {
	if len(q.Items) == 0 {
		_, err := fmt.Fprintf(r.out, "the queue of %s is empty: 'tutti play %q uri' plays something\n", clean(g.display()), g.display())
		return err
	}
	t := newTable(" ", "#", "TITLE", "ARTIST", "LENGTH", "URI")
	for i, it := range q.Items {
		mark, length := "", "-"
		if i == q.Index {
			mark = ">"
		}
		if it.DurationMS > 0 {
			length = clock(it.DurationMS)
		}
		t.add(mark, fmt.Sprint(i+1), dash(it.Title), dash(it.Artist), length, it.URI)
	}
	return t.print(r.out)
}

func libraryCommand() *cobra.Command {
	return command("library [path]", "Browse the server's music folder",
		"What is printed under PATH can be played.", `  tutti library
  tutti library jazz`,
		cobra.MaximumNArgs(1), func(r *run, args []string) error {
			path := "/api/v1/library"
			if len(args) == 1 {
				path += "?path=" + url.QueryEscape(args[0])
			}
			l, raw, err := get[apiLibrary](r, path)
			if err != nil {
				return err
			}
			return r.show(raw, func() error { return r.printLibrary(l) })
		})
}

func (r *run) printLibrary(l apiLibrary) error {
	if len(l.Entries) == 0 {
		_, err := fmt.Fprintln(r.out, "nothing to play here: the server plays FLAC, MP3 and WAV files of its music folder (tutti serve --music DIR)")
		return err
	}
	t := newTable("PATH", "TITLE", "ARTIST", "LENGTH", "FORMAT")
	for _, e := range l.Entries {
		switch {
		case e.Folder:
			t.add(e.Path+"/", "", "", "", "")
		case e.Error != "":
			t.add(e.Path, "cannot be played: "+e.Error, "", "", "")
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
