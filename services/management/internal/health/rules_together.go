package health

import (
	"fmt"

	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// What happens to all links at once does not happen to each of them: it is the server, or
// the part of the network that they share. One sentence about that helps; one for each
// speaker, with an advice for each, sends a person up a ladder for nothing.

const (
	// togetherLeast is how few links tell nothing together: two neighbours may share a
	// bad corner.
	togetherLeast = 3
	// togetherEnd is the part of the links that keeps what is shown.
	togetherEnd = 0.75
)

// together replaces what was found of each link by one finding, when it was found of all
// that were looked at.
func (f *facts) together(id string, looked int, found []model.Finding, say func(n int) model.Finding) []model.Finding {
	all := len(found) == looked || f.active(id) && float64(len(found)) >= togetherEnd*float64(looked)
	if len(found) < togetherLeast || !all {
		return found
	}
	x := say(len(found))
	x.FindingID, x.Severity, x.Remedy = id, model.SeveritySerious, checkServer()
	for _, one := range found {
		x.Clients = append(x.Clients, one.Clients...)
	}
	x.Params["names"] = f.names(x.Clients)
	return []model.Finding{x}
}

func checkServer() *model.Remedy {
	return words("check_server", "The speakers need nothing. Look at the load of the services, put the server on a cable, and look at the switch or access point that all of them share.")
}

// unsteadyTogether says that all round trips are long, or now short and now long.
func unsteadyTogether(n int) model.Finding {
	return model.Finding{Code: "links_all", Params: map[string]any{"n": n},
		Text: fmt.Sprintf("The links of all %d speakers that play are unsteady at once: that is the server or its network, and not each of them.", n)}
}

// backTogether says that all devices come and go.
func backTogether(n int) model.Finding {
	return model.Finding{Code: "reconnects_all", Params: map[string]any{"n": n},
		Text: fmt.Sprintf("All %d devices came back again and again within an hour: that is the server or its network, and not each of them.", n)}
}
