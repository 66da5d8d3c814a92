package ctlcmd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
)

func queueCommand() *cobra.Command {
	c := command("queue <group>", "Show what a group plays next; change it",
		"Titles are named by their number in the queue.", `  tutti queue Downstairs
  tutti queue add Downstairs jazz/so-what.flac jazz/blue-in-green.flac --next
  tutti queue move Downstairs 5 2
  tutti queue remove Downstairs 3
  tutti queue play Downstairs 4
  tutti queue clear Downstairs`,
		cobra.ExactArgs(1), func(r *run, args []string) error {
			g, q, raw, err := r.queue(args[0])
			if err != nil {
				return err
			}
			return r.show(raw, func() error { return r.printQueue(g, q) })
		})
	c.AddCommand(queueAdd(), queueMove(), queueRemove(), queuePlay(),
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

func queueAdd() *cobra.Command {
	next, at := false, 0
	c := command("add <group> <uri...>", "Add to the queue", "At its end, or where the flags say. Does not start playback.",
		`  tutti queue add Downstairs jazz/so-what.flac
  tutti queue add Downstairs jazz/so-what.flac --next`,
		cobra.MinimumNArgs(2), func(r *run, args []string) error {
			body := map[string]any{}
			switch {
			case next && at != 0:
				return usagef("say --next or --at, not both")
			case next:
				body["at"] = "next"
			case at < 0:
				return usagef("titles are counted from 1")
			case at > 0:
				body["index"] = at - 1
			}
			uris := make([]string, 0, len(args)-1)
			for _, word := range args[1:] {
				uri, err := r.playable(word)
				if err != nil {
					return err
				}
				uris = append(uris, uri)
			}
			body["uris"] = uris
			g, err := r.group(args[0])
			if err != nil {
				return err
			}
			q, raw, err := call[apiQueue](r, http.MethodPost, groupPath(g)+"/queue", body)
			if err != nil {
				return err
			}
			return r.done(raw, "the queue of %s has %s", clean(g.display()), plural(len(q.Items), "title"))
		})
	c.Flags().BoolVar(&next, "next", false, "behind what plays now")
	c.Flags().IntVar(&at, "at", 0, "the number that the first of them gets")
	return c
}

func queueMove() *cobra.Command {
	return command("move <group> <number> <number>", "Move a title", "", "  tutti queue move Downstairs 5 2",
		cobra.ExactArgs(3), func(r *run, args []string) error {
			g, it, err := r.queued(args[0], args[1])
			if err != nil {
				return err
			}
			to, err := strconv.Atoi(args[2])
			if err != nil || to < 1 {
				return usagef("%q is no number of a title: they are counted from 1", args[2])
			}
			_, raw, err := call[apiQueue](r, http.MethodPost, itemPath(g, it)+"/move", map[string]int{"index": to - 1})
			if err != nil {
				return err
			}
			return r.done(raw, "%s is number %d", clean(it.display()), to)
		})
}

func queueRemove() *cobra.Command {
	return command("remove <group> <number>", "Take a title out; when it plays, the next one plays", "", "  tutti queue remove Downstairs 3",
		cobra.ExactArgs(2), func(r *run, args []string) error {
			g, it, err := r.queued(args[0], args[1])
			if err != nil {
				return err
			}
			raw, err := r.api.do(r.ctx, http.MethodDelete, itemPath(g, it), nil)
			if err != nil {
				return err
			}
			return r.done(raw, "removed %s", clean(it.display()))
		})
}

func queuePlay() *cobra.Command {
	return command("play <group> <number>", "Play a title of the queue now", "", "  tutti queue play Downstairs 4",
		cobra.ExactArgs(2), func(r *run, args []string) error {
			g, it, err := r.queued(args[0], args[1])
			if err != nil {
				return err
			}
			_, raw, err := call[apiGroup](r, http.MethodPost, itemPath(g, it)+"/play", nil)
			if err != nil {
				return err
			}
			return r.done(raw, "%s plays %s", clean(g.display()), clean(it.display()))
		})
}

func historyCommand() *cobra.Command {
	return command("history <group>", "Show what a group played", "", "  tutti history Downstairs",
		cobra.ExactArgs(1), func(r *run, args []string) error {
			g, err := r.group(args[0])
			if err != nil {
				return err
			}
			h, raw, err := get[apiQueue](r, groupPath(g)+"/history")
			if err != nil {
				return err
			}
			return r.show(raw, func() error { return r.printHistory(g, h) })
		})
}

func (r *run) printHistory(g apiGroup, h apiQueue) error {
	if len(h.Items) == 0 {
		_, err := fmt.Fprintf(r.out, "%s has played nothing yet\n", clean(g.display()))
		return err
	}
	t := newTable("PLAYED", "FOR", "TITLE", "ARTIST", "URI")
	for _, it := range h.Items {
		when := "-"
		if it.PlayedAt != nil {
			when = it.PlayedAt.Local().Format("2006-01-02 15:04")
		}
		t.add(when, clock(it.PlayedMS), dash(it.Title), dash(it.Artist), it.URI)
	}
	return t.print(r.out)
}

// queue is the queue of the group that word names.
func (r *run) queue(word string) (apiGroup, apiQueue, json.RawMessage, error) {
	g, err := r.group(word)
	if err != nil {
		return g, apiQueue{}, nil, err
	}
	q, raw, err := get[apiQueue](r, groupPath(g)+"/queue")
	return g, q, raw, err
}

// queued is a title by its number in the queue.
func (r *run) queued(word, number string) (apiGroup, apiItem, error) {
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 {
		return apiGroup{}, apiItem{}, usagef("%q is no number of a title: they are counted from 1", number)
	}
	g, q, _, err := r.queue(word)
	if err != nil {
		return g, apiItem{}, err
	}
	if n > len(q.Items) {
		return g, apiItem{}, usagef("there is no title %d: the queue of %s has %d ('tutti queue %s' lists them)", n, clean(g.display()), len(q.Items), clean(g.display()))
	}
	return g, q.Items[n-1], nil
}

func itemPath(g apiGroup, it apiItem) string { return groupPath(g) + "/queue/" + url.PathEscape(it.ID) }

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
