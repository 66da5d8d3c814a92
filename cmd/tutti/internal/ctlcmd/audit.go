package ctlcmd

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
)

func auditCommand() *cobra.Command {
	since, limit := uint64(0), 50
	c := command("audit", "Show who did what",
		"Every trust decision and every administrative act, the newest last.",
		`  tutti audit
  tutti audit --since 120 --limit 1000 --json`,
		cobra.NoArgs, func(r *run, _ []string) error {
			if limit < 1 || limit > 1000 {
				return usagef("--limit %d is not from 1 to 1000", limit)
			}
			a, raw, err := r.audit(since, limit)
			if err != nil {
				return err
			}
			return r.show(raw, func() error { return r.printAudit(a) })
		})
	c.Flags().Uint64Var(&since, "since", 0, "only what came after this id (default: the newest)")
	c.Flags().IntVar(&limit, "limit", limit, "how many, 1 to 1000")
	c.AddCommand(auditVerifyCommand())
	return c
}

// audit reads from an id on; without one it pages to the end and shows the newest.
func (r *run) audit(since uint64, limit int) (apiAudit, json.RawMessage, error) {
	if since > 0 {
		return get[apiAudit](r, fmt.Sprintf("/api/v1/audit?since=%d&limit=%d", since, limit))
	}
	var last []apiAuditEvent
	for {
		page, _, err := get[apiAudit](r, fmt.Sprintf("/api/v1/audit?since=%d&limit=1000", since))
		if err != nil {
			return apiAudit{}, nil, err
		}
		last = append(last, page.Events...)
		last = last[max(0, len(last)-limit):]
		if len(page.Events) < 1000 {
			out := apiAudit{Events: append([]apiAuditEvent{}, last...)}
			raw, err := json.Marshal(out)
			return out, raw, err
		}
		since = page.Events[len(page.Events)-1].ID
	}
}

func (r *run) printAudit(a apiAudit) error {
	t := newTable("ID", "WHEN", "WHO", "WHAT", "DEVICE", "DETAIL")
	for _, e := range a.Events {
		t.add(fmt.Sprint(e.ID), e.At.Local().Format("2006-01-02 15:04:05"), e.Actor, e.Kind, dash(short(e.ClientID)), e.Detail)
	}
	return t.print(r.out)
}
