package facts

import (
	"time"

	"github.com/kvclef/kvclef/rules"
)

// Of returns the facts of a request at a time. It never fails: what can't be
// decoded is a fact of its own.
func Of(req *rules.Request, at time.Time) *Facts {
	return &Facts{Request: req, Time: at}
}
