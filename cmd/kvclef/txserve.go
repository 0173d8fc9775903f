package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/kvclef/kvclef/cmd/kvclef/admin"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/proxy/outbox"
	"github.com/kvclef/kvclef/rules"
)

// replaceTimeout bounds a replacement: it is filled in, decided, signed and sent. The
// client of the admin socket waits a little longer.
const replaceTimeout = 25 * time.Second

// transactionServer answers kvclef tx on the admin socket.
type transactionServer struct {
	outbox *outbox.Outbox // of the process itself
	hosted *hostRunner    // nil: nothing is hosted
	log    *slog.Logger
}

// serveTransactions lets commands reach the transactions under way.
func (d *durable) serveTransactions(sent *outbox.Outbox, hosted *hostRunner, log *slog.Logger) {
	if d.admin == nil {
		return
	}
	s := &transactionServer{outbox: sent, hosted: hosted, log: log}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+admin.PathTransactions, s.list)
	mux.HandleFunc("GET "+admin.PathTransactions+"/services", s.services)
	mux.HandleFunc("GET "+admin.PathTransactions+"/{hash}", s.show)
	mux.HandleFunc("POST "+admin.PathTransactions+"/{hash}/bump", s.bump)
	mux.HandleFunc("POST "+admin.PathTransactions+"/{hash}/cancel", s.cancel)
	d.admin.Mount(admin.PathTransactions, mux)
}

func (s *transactionServer) list(w http.ResponseWriter, r *http.Request) {
	var filter outbox.Filter
	query := r.URL.Query()
	filter.InFlight = query.Get("in_flight") == "true"
	if text := query.Get("account"); text != "" {
		if !common.IsHexAddress(text) {
			s.answer(w, r, nil, fmt.Errorf("%q is not an address", text))
			return
		}
		account := common.HexToAddress(text)
		filter.Account = &account
	}
	if text := query.Get("limit"); text != "" {
		limit, err := strconv.Atoi(text)
		if err != nil || limit < 1 {
			s.answer(w, r, nil, fmt.Errorf("%q is not a limit", text))
			return
		}
		filter.Limit = limit
	}
	source, err := s.find(query.Get("service"))
	if err != nil {
		s.answer(w, r, nil, err)
		return
	}
	listing, err := source.List(r.Context(), filter)
	s.answer(w, r, servedListing{listing, source.stopped}, err)
}

func (s *transactionServer) show(w http.ResponseWriter, r *http.Request) {
	hash, err := transactionHash(r.PathValue("hash"))
	if err != nil {
		s.answer(w, r, nil, err)
		return
	}
	source, err := s.find(r.URL.Query().Get("service"))
	if err != nil {
		s.answer(w, r, nil, err)
		return
	}
	transaction, err := source.Show(r.Context(), hash)
	s.answer(w, r, servedTransaction{transaction, source.stopped}, err)
}

func (s *transactionServer) bump(w http.ResponseWriter, r *http.Request) {
	var percent uint64
	if text := r.URL.Query().Get("percent"); text != "" {
		var err error
		if percent, err = strconv.ParseUint(text, 10, 16); err != nil {
			s.answer(w, r, nil, fmt.Errorf("%q is not a percentage from 0 to 65535", text))
			return
		}
	}
	s.replace(w, r, func(ctx context.Context, sent *outbox.Outbox, hash common.Hash) (common.Hash, error) {
		return sent.Bump(ctx, hash, uint(percent))
	})
}

func (s *transactionServer) cancel(w http.ResponseWriter, r *http.Request) {
	s.replace(w, r, func(ctx context.Context, sent *outbox.Outbox, hash common.Hash) (common.Hash, error) {
		return sent.Cancel(ctx, hash)
	})
}

// replacement is the answer to a request for one.
type replacement struct {
	Hash common.Hash `json:"hash"`
}

// replace sends a transaction in the place of another. A caller that hangs up does
// not stop what it asked for.
func (s *transactionServer) replace(w http.ResponseWriter, r *http.Request, do func(context.Context, *outbox.Outbox, common.Hash) (common.Hash, error)) {
	hash, err := transactionHash(r.PathValue("hash"))
	if err != nil {
		s.answer(w, r, nil, err)
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(replaceTimeout + stepTimeout)) // fails only on a closed connection
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), replaceTimeout)
	defer cancel()
	var made common.Hash
	err = s.with(r.URL.Query().Get("service"), func(sent *outbox.Outbox) (err error) {
		made, err = do(localCaller(ctx), sent, hash)
		return err
	})
	s.answer(w, r, replacement{made}, operatorTold(err))
}

// operatorTold adds to an error which rule of a policy it was and where more is told.
// Callers of the signer get that as data; who asks here is its operator.
func operatorTold(err error) error {
	var denied interface{ ErrorData() any }
	if !errors.As(err, &denied) {
		return err
	}
	data, ok := denied.ErrorData().(map[string]string)
	if !ok || data["request"] == "" || data["ticket"] != "" { // of a ticket the text tells
		return err
	}
	var policy interface{ Rule() string }
	var by string
	switch {
	case !errors.As(err, &policy):
		return fmt.Errorf("%w; the log knows it as %s", err, data["request"])
	case policy.Rule() == "":
		by = ": no rule allows it"
	default:
		by = ": by rule " + policy.Rule()
	}
	return fmt.Errorf("%w%s; kvclef audit show %s tells why", err, by, data["request"])
}

func (s *transactionServer) answer(w http.ResponseWriter, r *http.Request, value any, err error) {
	if err != nil {
		s.log.WarnContext(r.Context(), "Request about transactions refused", "path", r.URL.Path, "error", err)
		err = admin.Refuse(w, http.StatusConflict, err)
	} else {
		w.Header().Set("Content-Type", "application/json")
		err = json.NewEncoder(w).Encode(value)
	}
	if err != nil {
		s.log.DebugContext(r.Context(), "Answer not sent", "error", err)
	}
}

// localCaller is who asks on the admin socket: it is its user's alone, as the
// signer's is.
func localCaller(ctx context.Context) context.Context {
	return extapi.WithCaller(ctx, rules.Caller{Transport: "ipc", Remote: "NA", Local: "NA"}, "local")
}

var errNoHash = errors.New("want the hash of a transaction, 0x and 64 hexadecimal digits")

// transactionHash reads the hash of a transaction.
func transactionHash(text string) (common.Hash, error) {
	raw, err := hexutil.Decode(text)
	if err != nil || len(raw) != common.HashLength {
		return common.Hash{}, fmt.Errorf("%q: %w", text, errNoHash)
	}
	return common.Hash(raw), nil
}
