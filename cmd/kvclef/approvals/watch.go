package approvals

import (
	"encoding/json"
	"net/http"
	"time"
)

// watch tells of changes until the caller hangs up or the server ends.
func (h *handler) watch(w http.ResponseWriter, r *http.Request) {
	changes, stop := h.cfg.Tickets.Watch(maxWaiting)
	defer stop()
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // the caller sends nothing more; fails only on a closed connection
	w.Header().Set("Content-Type", "application/x-ndjson")
	encoder := json.NewEncoder(w)
	tell := func(notice Notice) bool {
		_ = control.SetWriteDeadline(time.Now().Add(writeTimeout)) // fails only on a closed connection
		return encoder.Encode(notice) == nil && control.Flush() == nil
	}
	alive := tell(Notice{}) // from here on nothing is missed
	for alive {
		select {
		case change, ok := <-changes:
			if !ok {
				tell(Notice{Lost: true})
				return
			}
			alive = tell(Notice{ID: change.ID, Before: change.Before, State: change.State, Votes: change.Votes})
		case <-ticker.C:
			alive = tell(Notice{})
		case <-r.Context().Done():
			return
		case <-h.closing:
			return
		}
	}
}
