package console

import (
	"net/http"

	"github.com/kvclef/kvclef/rules"
)

// limitsBody is what the page of limits shows.
type limitsBody struct {
	Known bool
	Uses  []limitBar
}

// limitBar is a limit with how long its bars are.
type limitBar struct {
	LimitUse
	Settled float64 // of the maximum: used and not held
	Held    float64
	State   string // "full", "high" or ""
}

// limits shows how much of each limit is used.
func (s *Server) limits(w http.ResponseWriter, r *http.Request, of *session) {
	body := limitsBody{Known: s.cfg.Limits != nil}
	if s.cfg.Limits != nil {
		uses, err := s.cfg.Limits(r.Context())
		if err != nil {
			s.log.WarnContext(r.Context(), "Limits not read", "error", err)
			s.fail(w, r, of, http.StatusServiceUnavailable, "The limits can't be read now: the signer's log says why.")
			return
		}
		for _, use := range uses {
			body.Uses = append(body.Uses, barOf(use))
		}
	}
	s.render(w, r, http.StatusOK, "limits", s.pageOf(of, "Limits", "limits", body))
}

func barOf(use LimitUse) limitBar {
	used := max(0, min(1, use.UsedPart))
	bar := limitBar{LimitUse: use, Held: max(0, min(used, use.HeldPart))}
	bar.Settled = used - bar.Held
	switch {
	case use.UsedPart >= 1:
		bar.State = "full"
	case use.UsedPart >= 0.8:
		bar.State = "high"
	}
	return bar
}

// accountsBody is what the page of accounts shows.
type accountsBody struct {
	Vaults   []VaultHealth
	Accounts []rules.Account
	More     int
}

// maxAccounts is how many accounts the page shows.
const maxAccounts = 1000

// accounts shows which accounts can sign, and how the vaults are.
func (s *Server) accounts(w http.ResponseWriter, r *http.Request, of *session) {
	var body accountsBody
	if s.cfg.Vaults != nil {
		body.Vaults = s.cfg.Vaults(r.Context())
	}
	if s.cfg.Accounts != nil {
		body.Accounts = s.cfg.Accounts()
		if len(body.Accounts) > maxAccounts {
			body.More, body.Accounts = len(body.Accounts)-maxAccounts, body.Accounts[:maxAccounts]
		}
	}
	s.render(w, r, http.StatusOK, "accounts", s.pageOf(of, "Accounts", "accounts", body))
}

// recordBody is what the page of the audit log shows.
type recordBody struct {
	Known bool
	Seq   uint64
	Hash  string
}

// auditHead shows how far the audit log has come.
func (s *Server) auditHead(w http.ResponseWriter, r *http.Request, of *session) {
	var body recordBody
	if s.cfg.Head != nil {
		body.Known = true
		body.Seq, body.Hash = s.cfg.Head()
	}
	s.render(w, r, http.StatusOK, "record", s.pageOf(of, "Audit log", "record", body))
}
