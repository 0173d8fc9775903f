package requestlog

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
)

// signer signs, decides, and records as a signer does.
type signer struct {
	key     *ecdsa.PrivateKey
	log     *audit.Log
	account *extapi.Account

	decisions map[string]rules.Decision // by the text; an approval otherwise
	fails     map[common.Hash]error     // of signing
}

// notSignedError is a failure that is certain.
type notSignedError struct{ error }

func (notSignedError) NotSigned() bool { return true }

func newSigner(t *testing.T, options audit.Options) (*signer, string) {
	t.Helper()
	key, err := crypto.ToECDSA(common.LeftPadBytes([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "audit.log")
	s := &signer{key: key, decisions: make(map[string]rules.Decision), fails: make(map[common.Hash]error)}
	s.open(t, path, options)
	s.account, err = extapi.NewAccount(extapi.Config{Decider: s, Signer: s, Auditor: s, ChainIDs: []*big.Int{big.NewInt(1)}, Repeat: 1 << 40})
	if err != nil {
		t.Fatal(err)
	}
	return s, path
}

// open opens the log anew.
func (s *signer) open(t *testing.T, path string, options audit.Options) {
	t.Helper()
	log, err := audit.Open(t.Context(), path, options)
	if err != nil {
		t.Fatal(err)
	}
	s.log = log
	t.Cleanup(func() { log.Close() })
}

func (s *signer) Append(ctx context.Context, entry audit.Entry) error {
	return s.log.Append(ctx, entry)
}
func (s *signer) Accounts() []rules.Account { return nil }

func (s *signer) Find(_ context.Context, address common.Address) (rules.Account, bool) {
	return rules.Account{Address: address, Vault: "v", Key: "k", Version: "1", Tags: map[string]string{"a": "b"}}, true
}

func (s *signer) Sign(_ context.Context, _ common.Address, digest common.Hash) (extapi.Signed, error) {
	if err := s.fails[digest]; err != nil {
		return extapi.Signed{}, err
	}
	signature, err := crypto.Sign(digest[:], s.key)
	if err != nil {
		return extapi.Signed{}, err
	}
	return extapi.Signed{Signature: [65]byte(signature)}, nil
}

func (s *signer) Decide(_ context.Context, req *rules.Request) (rules.Decision, error) {
	for text, decision := range s.decisions {
		if strings.Contains(string(req.Preimage), text) {
			return decision, nil
		}
	}
	return rules.Decision{Verdict: rules.Approve, Rule: "all", Policy: common.Hash{7}}, nil
}

func (*signer) Settle(context.Context, *rules.Request, rules.Decision, rules.Result) error {
	return nil
}

// ask asks for the signature of a text.
func (s *signer) ask(t *testing.T, text string) {
	t.Helper()
	address := common.NewMixedcaseAddress(crypto.PubkeyToAddress(s.key.PublicKey))
	_, _ = s.account.SignData(t.Context(), "text/plain", address, fmt.Appendf(nil, "%q", hexutil.Encode([]byte(text))))
}

// append adds entries to the log by hand.
func (s *signer) append(t *testing.T, entries ...audit.Entry) {
	t.Helper()
	for _, entry := range entries {
		if err := s.log.Append(t.Context(), entry); err != nil {
			t.Fatal(err)
		}
	}
}

// texts reads a log, and returns the message of each request and what became of it.
func texts(t *testing.T, r *Reader) (all []string) {
	t.Helper()
	for entry, err := range r.Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		text := string(entry.Request.Preimage)
		text = text[strings.LastIndexByte(text, '\n')+3:] // the length has two digits
		repeat := ""
		if entry.Repeat {
			repeat = ", again"
		}
		all = append(all, fmt.Sprintf("%d %s: %s by %q, %s%s", entry.Seq, text, entry.Verdict, entry.Rule, entry.Outcome, repeat))
	}
	return all
}

// digest is the digest of a text.
func digest(text string) common.Hash {
	return crypto.Keccak256Hash(fmt.Appendf(nil, "\x19Ethereum Signed Message:\n%d%s", len(text), text))
}

func TestRequestsAndOutcomes(t *testing.T) {
	t.Parallel()
	s, path := newSigner(t, audit.Options{MaxBytes: 4 << 10}) // several segments
	s.decisions["-no-"] = rules.Decision{Verdict: rules.Reject, Rule: "never", Reason: "no"}
	s.fails[digest("text-fails")] = notSignedError{errors.New("throttled")}
	s.fails[digest("text-lost-")] = errors.New("no answer")
	s.append(t, audit.Entry{Event: audit.EventStart})
	for _, text := range []string{"text-first", "text-no-no", "text-fails", "text-lost-", "text-first"} {
		s.ask(t, text)
	}
	s.append(t, audit.Entry{Event: audit.EventRefused, Error: "wrong chain"}, audit.Entry{Event: audit.EventDecision, Kind: "transaction", Verdict: "reject"},
		audit.Entry{Event: audit.EventDecision, Kind: "transaction", Verdict: "reject", Whole: audit.TooLarge(1 << 20)}, audit.Entry{Event: audit.EventDecision, Kind: "transaction", Verdict: "reject"})
	r := New(path, Options{})
	want := []string{
		`2 text-first: approve by "all", signed`, `4 text-no-no: reject by "never", unknown`, `5 text-fails: approve by "all", not signed`,
		`7 text-lost-: approve by "all", unknown`, `9 text-first: approve by "all", signed, again`,
	}
	if got := texts(t, r); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	summary := r.Summary()
	if summary.Entries != 14 || summary.Requests != 5 || summary.Refused != 1 || summary.Total() != 3 || len(summary.Unread) != 2 || summary.First.IsZero() || summary.Last.Before(summary.First) {
		t.Errorf("%+v", summary)
	}
	if unread := summary.Unread["the log has an excerpt of the request alone"]; unread != (Unread{2, 12}) {
		t.Errorf("%+v", summary.Unread)
	}
	for entry, err := range New(path, Options{}).Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if entry.Seq == 2 && (entry.Settled != 3 || !entry.Released || entry.Policy != (common.Hash{7}).Hex() || entry.Request.Account.Tags["a"] != "b" || entry.Time.IsZero()) {
			t.Errorf("%+v", entry)
		}
		break
	}
	if got := texts(t, New(path, Options{From: 8})); len(got) != 1 || got[0] != want[4] {
		t.Errorf("from 8: %q", got)
	}
}

// TestOutcomesThatNeverCome don't keep others waiting: what a crash ended was
// open for good when the next signer starts, and at the end of the log.
func TestOutcomesThatNeverCome(t *testing.T) {
	t.Parallel()
	s, path := newSigner(t, audit.Options{})
	listing := audit.Entry{Event: audit.EventDecision, Kind: "list", Verdict: "approve", Request: "a"}
	outcome := audit.Entry{Event: audit.EventOutcome, Request: "a", Outcome: "signed"}
	s.append(t, listing, audit.Entry{Event: audit.EventStart}, outcome, listing, listing, outcome)
	var got []rules.Outcome
	for entry, err := range New(path, Options{}).Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, entry.Outcome)
	}
	if !slices.Equal(got, []rules.Outcome{rules.Unknown, rules.Unknown, rules.Signed}) {
		t.Errorf("%v", got)
	}
	q := new(queue)
	for i := range maxWaiting + 2 {
		q.push(&audit.Entry{Seq: uint64(i), Request: fmt.Sprint(i), Verdict: "approve"}, 1)
		if judged, ok := q.pop(false); ok != (i >= maxWaiting) || ok && judged.decision.Seq != uint64(i-maxWaiting) {
			t.Fatalf("%d: %+v", i, judged)
		}
	}
	q = new(queue)
	q.push(&audit.Entry{Request: "a", Verdict: "approve"}, 1)
	for i := range maxWaitingBytes >> 20 {
		if _, ok := q.pop(false); ok {
			t.Fatalf("the outcome is not waited for while %d MiB wait", i)
		}
		q.push(&audit.Entry{Request: "x"}, 1<<20)
	}
	if judged, ok := q.pop(false); !ok || judged.decision.Request != "a" {
		t.Errorf("%+v", judged)
	}
}

// TestBrokenChains end the reading, with what was before them.
func TestBrokenChains(t *testing.T) {
	t.Parallel()
	s, path := newSigner(t, audit.Options{})
	for _, text := range []string{"text-first", "text-other", "text-third"} {
		s.ask(t, text)
	}
	if err := s.log.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	broken := bytes.Replace(text, []byte(`"seq":4,`), []byte(`"seq":7,`), 1)
	if err := os.WriteFile(path, broken, 0o600); err != nil {
		t.Fatal(err)
	}
	passed := 0
	for _, err := range New(path, Options{}).Entries(t.Context()) {
		var damage *audit.DamageError
		switch {
		case err == nil:
			passed++
		case !errors.As(err, &damage) || damage.Line != 4:
			t.Errorf("got %v", err)
		default:
			passed += 10
		}
	}
	if passed != 11 { // the second's outcome is the line that was changed
		t.Errorf("%d", passed)
	}
	for _, err := range New(filepath.Join(t.TempDir(), "none.log"), Options{}).Entries(t.Context()) {
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("got %v", err)
		}
	}
}

// TestSignaturesAreBounded: types are made for so many methods and no more. Those
// that were met before, and those that need none, are decoded still.
func TestSignaturesAreBounded(t *testing.T) {
	t.Parallel()
	s, path := newSigner(t, audit.Options{})
	entry := func(signature string) audit.Entry {
		return audit.Entry{Event: audit.EventDecision, Kind: "transaction", Verdict: "reject", Whole: &audit.Whole{Signature: signature}}
	}
	s.append(t, entry("f0(uint256[])"), entry("g((uint256))"), entry("g(uint256[2])"), entry("transfer(address,uint256)"), entry("f1((address))"))
	r := New(path, Options{})
	for i := range maxDecoded {
		if whole := entry(fmt.Sprintf("f%d(%s)", i, []string{"uint256[]", "(address)"}[i%2])); !r.decodable(&whole) {
			t.Fatalf("%d is one too many", i)
		}
	}
	for _, err := range r.Entries(t.Context()) {
		t.Errorf("a request came out of nothing, or %v", err)
	}
	if got := r.Summary().Unread[errManySignatures.Error()]; got != (Unread{2, 2}) || r.Summary().Total() != 5 || len(r.decoded) != maxDecoded {
		t.Errorf("%+v", r.Summary())
	}
}
