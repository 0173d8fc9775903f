package console

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
	"go.uber.org/goleak"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/tlstest"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/approval/sheet"
	"github.com/kvclef/kvclef/rules/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testOrigin = "https://approvals.example"

// clock is a clock that is set by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// journal keeps what is recorded of tickets.
type journal struct {
	mu     sync.Mutex
	events []approval.Event
	fails  bool
}

func (j *journal) Record(_ context.Context, event approval.Event) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fails {
		return errors.New("the disk is full")
	}
	j.events = append(j.events, event)
	return nil
}

// votes are those that were recorded, with a mark where one does not count.
func (j *journal) votes() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var all []string
	for _, event := range j.events {
		if event.What != approval.WhatVote {
			continue
		}
		text := fmt.Sprintf("%s %t %s", event.Ballot.Person, event.Ballot.Approve, event.Ballot.Way)
		if event.Error != "" {
			text += " !"
		}
		all = append(all, text)
	}
	return all
}

// keys stand in for passkeys: what is answered is an HMAC of the challenge, by a key
// that the person has. What was begun ends once, in the same browser.
type keys struct {
	mu      sync.Mutex
	begun   map[string]string // challenge of a browser
	ballots map[string]approval.Ballot
	removed []string
	mute    bool // votes have no proof
}

func newKeys() *keys {
	return &keys{begun: make(map[string]string), ballots: make(map[string]approval.Ballot)}
}

// answerOf is what a person's passkey answers to options.
func answerOf(person string, options json.RawMessage) string {
	var challenge struct{ Challenge string }
	_ = json.Unmarshal(options, &challenge)
	text, _ := json.Marshal(map[string]string{"person": person, "mac": mac(person, challenge.Challenge)})
	return string(text)
}

func mac(person, challenge string) string {
	h := hmac.New(sha256.New, []byte("key of "+person))
	h.Write([]byte(challenge))
	return hex.EncodeToString(h.Sum(nil))
}

func (k *keys) begin(browser, about string) json.RawMessage {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.begun[browser] = about + secret()
	options, _ := json.Marshal(map[string]string{"challenge": k.begun[browser]})
	return options
}

func (k *keys) finish(browser string, answer json.RawMessage) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	challenge, there := k.begun[browser]
	delete(k.begun, browser)
	var given struct{ Person, Mac string }
	if err := json.Unmarshal(answer, &given); err != nil || !there || given.Mac != mac(given.Person, challenge) {
		return "", errors.New("the passkey is not known")
	}
	return given.Person, nil
}

func (k *keys) BeginLogin(_ context.Context, browser string) (json.RawMessage, error) {
	return k.begin(browser, "login"), nil
}

func (k *keys) FinishLogin(_ context.Context, browser string, answer json.RawMessage) (string, error) {
	return k.finish(browser, answer)
}

func (k *keys) BeginVote(_ context.Context, browser string, ballot approval.Ballot) (json.RawMessage, error) {
	k.mu.Lock()
	k.ballots[browser] = ballot
	k.mu.Unlock()
	return k.begin(browser, fmt.Sprint("vote", ballot.Hash, ballot.Approve, ballot.Comment)), nil
}

func (k *keys) FinishVote(_ context.Context, browser string, answer json.RawMessage) (approval.Ballot, error) {
	person, err := k.finish(browser, answer)
	k.mu.Lock()
	defer k.mu.Unlock()
	ballot := k.ballots[browser]
	if err == nil && person != ballot.Person {
		err = errors.New("it is another person's passkey")
	}
	if ballot.Way = wayPasskey; !k.mute {
		ballot.Proof = answer
	}
	return ballot, err
}

func (k *keys) BeginEnrol(_ context.Context, browser, token string) (string, json.RawMessage, error) {
	if token != "one-time" {
		return "", nil, errors.New("the link was used, or its time is over")
	}
	return "alice", k.begin(browser, "enrol"), nil
}

func (k *keys) FinishEnrol(_ context.Context, browser, _ string, answer json.RawMessage) (string, error) {
	return k.finish(browser, answer)
}

func (k *keys) List(_ context.Context, person string) ([]Passkey, error) {
	return []Passkey{
		{ID: "a2V5LW9mLQ" + person, Label: "work laptop", Added: time.Date(2026, 2, 1, 9, 0, 0, 0, time.UTC), Used: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)},
		{ID: "c3BhcmUta2V5", Added: time.Date(2026, 2, 1, 9, 5, 0, 0, time.UTC)},
	}, nil
}

func (k *keys) Remove(_ context.Context, person, id string) error {
	if id != "c3BhcmUta2V5" {
		return errors.New("you have no such passkey")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.removed = append(k.removed, person+" "+id)
	return nil
}

// house is a console with all that stands around it.
type house struct {
	*Server
	t       *testing.T
	queue   *approval.Queue
	journal *journal
	keys    *keys
	clock   *clock
	logged  *logged
	ca      *tlstest.CA
}

// logged is what was logged.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(text)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// newHouse starts a console over TLS, with a real queue of tickets.
func newHouse(t *testing.T, change func(*Config)) *house {
	t.Helper()
	h := &house{t: t, journal: new(journal), keys: newKeys(), clock: &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}, logged: new(logged)}
	log := slog.New(slog.NewTextHandler(h.logged, nil))
	var err error
	h.queue, err = approval.New(t.Context(), approval.Config{
		Records: memory.NewRecords(), Ledger: memory.NewLedger(h.clock.Now), Journal: h.journal, Logger: log, Clock: h.clock.Now,
		SamePerson: func(principal, _, person string) bool { return principal == person },
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Tickets: h.queue, People: map[string]Person{"alice": {}, "bob": {OIDC: "bob@example.com"}, "carol": {OIDC: "sub:carol-1"}},
		Passkeys: h.keys, Names: namesOf, Origin: testOrigin, Addr: "127.0.0.1:0", Clock: h.clock.Now, Logger: log,
		Accounts: func() []rules.Account { return []rules.Account{account()} },
		Head:     func() (uint64, string) { return 4711, strings.Repeat("ab", 32) },
		Vaults: func(context.Context) []VaultHealth {
			return []VaultHealth{{Name: "treasury", URL: "https://treasury.vault.azure.net", Healthy: true, Text: "asked 5 s ago", Accounts: 2}}
		},
		Limits: func(context.Context) ([]LimitUse, error) {
			return []LimitUse{{Limit: "daily", Window: "24h", Used: "7 ether", Held: "1 ether", Free: "3 ether", Max: "10 ether", UsedPart: 0.7, HeldPart: 0.1}}, nil
		},
	}
	if h.ca, err = tlstest.NewCA("test"); err != nil {
		t.Fatal(err)
	}
	cfg.TLS = h.keeper("approvals.example")
	if change != nil {
		change(&cfg)
	}
	if h.Server, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) //nolint:usetesting // the test's has ended
		defer cancel()
		if err := h.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return h
}

// keeper returns the TLS of a listener with a name.
func (h *house) keeper(name string) *extapi.TLSKeeper {
	h.t.Helper()
	pair, err := h.ca.Issue(&x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: []string{name}})
	if err != nil {
		h.t.Fatal(err)
	}
	cfg := extapi.TLSConfig{CertFile: filepath.Join(h.t.TempDir(), "cert.pem"), KeyFile: filepath.Join(h.t.TempDir(), "key.pem")}
	for path, text := range map[string][]byte{cfg.CertFile: pair.Cert, cfg.KeyFile: pair.Key} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			h.t.Fatal(err)
		}
	}
	keeper, err := extapi.NewTLSKeeper(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		h.t.Fatal(err)
	}
	return keeper
}

func account() rules.Account {
	return rules.Account{Address: common.HexToAddress("0x71562b71999873DB5b286dF957af199Ec94617F7"), Vault: "treasury", Key: "hot-1", Version: "5c1e0f"}
}

func usdc() common.Address {
	return common.HexToAddress("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48")
}

func namesOf(*approval.Ticket) (names sheet.Names, chains map[string]string) {
	return sheet.Names{
		usdc().Hex(): {{Kind: sheet.NameOfToken, Name: "USDC", Chain: 1, Standard: "erc20", Decimals: 6}},
		"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266": {{Kind: sheet.NameOfAccount, Name: "payroll"}},
	}, map[string]string{"1": "mainnet"}
}

// finance are two of three.
func finance() *rules.Quorum {
	return &rules.Quorum{Group: "finance", Threshold: 2, Of: []string{"alice", "bob", "carol"}, Expires: 30 * time.Minute}
}

// payment is a request for a payment of so many wei, asked by somebody.
func payment(wei int64, principal string) *rules.Request {
	to := common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
	tx := types.NewTx(&types.DynamicFeeTx{
		ChainID: big.NewInt(1), Nonce: 7, GasTipCap: big.NewInt(1e9), GasFeeCap: big.NewInt(30e9), Gas: 21000, To: &to, Value: big.NewInt(wei),
	})
	return request(tx, principal)
}

func request(tx *types.Transaction, principal string) *rules.Request {
	return &rules.Request{
		ID: "r1", Kind: rules.KindTransaction, Method: "account_signTransaction", Principal: principal, Caller: rules.Caller{Transport: "http", Remote: "192.0.2.7:4711"},
		Account: account(), Digest: types.LatestSignerForChainID(tx.ChainId()).Hash(tx), ChainID: tx.ChainId(), Transaction: tx,
	}
}

// tokens is a request to move tokens, with a call that was decoded.
func tokens(amount *big.Int) *rules.Request {
	to := usdc()
	data := append(common.FromHex("a9059cbb"), common.LeftPadBytes(common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266").Bytes(), 32)...)
	data = append(data, common.LeftPadBytes(amount.Bytes(), 32)...)
	tx := types.NewTx(&types.DynamicFeeTx{
		ChainID: big.NewInt(1), Nonce: 8, GasTipCap: big.NewInt(1e9), GasFeeCap: big.NewInt(30e9), Gas: 65000, To: &to, Value: new(big.Int), Data: data,
	})
	req := request(tx, "payments.example")
	req.Call = &rules.Call{
		Selector: [4]byte(data), Method: "transfer(address,uint256)", Types: []string{"address", "uint256"},
		Arguments: []any{common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"), amount},
	}
	return req
}

// typed is a request to sign typed data, with texts of somebody's choice.
func typed(text string) *rules.Request {
	return &rules.Request{
		ID: "r2", Kind: rules.KindTypedData, Method: "account_signTypedData", Principal: "wallet.example", Caller: rules.Caller{Transport: "http", Remote: "192.0.2.8:1", UserAgent: text, Origin: text},
		Account: account(), Digest: common.HexToHash("0x1234"), ChainID: big.NewInt(1), ContentType: "data/typed",
		TypedData: &apitypes.TypedData{
			Types: apitypes.Types{
				"EIP712Domain": {{Name: "name", Type: "string"}, {Name: "chainId", Type: "uint256"}},
				"Order":        {{Name: "memo", Type: "string"}, {Name: "to", Type: "address"}, {Name: "items", Type: "Item[]"}},
				"Item":         {{Name: "what", Type: "string"}, {Name: "amount", Type: "uint256"}},
			},
			PrimaryType: "Order", Domain: apitypes.TypedDataDomain{Name: text, ChainId: math.NewHexOrDecimal256(1)},
			Message: apitypes.TypedDataMessage{
				"memo": text, "to": "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
				"items": []any{map[string]any{"what": text, "amount": "115792089237316195423570985008687907853269984665640564039457584007913129639935"}},
			},
		},
		Findings: []apitypes.ValidationInfo{{Typ: "Warning", Message: text}},
	}
}

// ask opens a ticket.
func (h *house) ask(req *rules.Request, quorums ...*rules.Quorum) *approval.Ticket {
	h.t.Helper()
	if len(quorums) == 0 {
		quorums = []*rules.Quorum{finance()}
	}
	question, err := h.queue.Ask(h.t.Context(), req, rules.Decision{Verdict: rules.Refer, Rule: "large", Reason: "finance must approve", Quorums: quorums}, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	pending, _, err := question.Await(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return h.find(pending.Ticket)
}

func (h *house) find(id string) *approval.Ticket {
	h.t.Helper()
	ticket, err := h.queue.Ticket(id)
	if err != nil {
		h.t.Fatal(err)
	}
	return ticket
}

// browser is a client that keeps cookies, and follows nothing.
type browser struct {
	*http.Client
	h *house
	// headers are sent with every request.
	headers http.Header
}

// answer is what a browser got.
type answer struct {
	status int
	header http.Header
	text   string
}

// newBrowser returns a browser to which the console's name leads.
func (h *house) newBrowser() *browser {
	h.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: h.ca.Pool(), MinVersion: tls.VersionTLS13},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, h.Addr())
		},
	}
	h.t.Cleanup(transport.CloseIdleConnections)
	return &browser{h: h, headers: make(http.Header), Client: &http.Client{
		Transport: transport, Jar: jar, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (b *browser) do(method, path string, form url.Values, change func(*http.Request)) answer {
	b.h.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(b.h.t.Context(), method, b.h.cfg.Origin+path, body)
	if err != nil {
		b.h.t.Fatal(err)
	}
	for name, values := range b.headers {
		r.Header[name] = values
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", b.h.cfg.Origin)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	if change != nil {
		change(r)
	}
	response, err := b.Do(r)
	if err != nil {
		b.h.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, 8<<20))
	if err != nil {
		b.h.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}

func (b *browser) get(path string) answer {
	b.h.t.Helper()
	return b.do(http.MethodGet, path, nil, nil)
}

func (b *browser) post(path string, form url.Values) answer {
	b.h.t.Helper()
	return b.do(http.MethodPost, path, form, nil)
}

func asJSON(r *http.Request) { r.Header.Set("Accept", "application/json") }

// options are those of an answer to a script.
func (b *browser) options(path string, form url.Values) json.RawMessage {
	b.h.t.Helper()
	got := b.do(http.MethodPost, path, form, asJSON)
	var found struct{ Options json.RawMessage }
	if err := json.Unmarshal([]byte(got.text), &found); err != nil || got.status != http.StatusOK || len(found.Options) == 0 {
		b.h.t.Fatalf("%s: %d %s, %v", path, got.status, got.text, err)
	}
	return found.Options
}

// signedIn returns the browser of somebody who has signed in by passkey.
func (h *house) signedInBrowser(person string) *browser {
	h.t.Helper()
	b := h.newBrowser()
	answer := answerOf(person, b.options("/signin/passkey/begin", url.Values{}))
	if got := b.post("/signin/passkey", url.Values{"answer": {answer}}); got.status != http.StatusSeeOther {
		h.t.Fatalf("sign-in: %d %s", got.status, got.text)
	}
	return b
}

// token is that of the forms of a browser's session.
func (b *browser) token() string {
	b.h.t.Helper()
	_, after, found := strings.Cut(b.get("/").text, `name="token" value="`)
	token, _, _ := strings.Cut(after, `"`)
	if !found || len(token) != len(secret()) {
		b.h.t.Fatal("the page has no token")
	}
	return token
}

// ballot is the form of a vote.
func (b *browser) ballot(t *approval.Ticket, verdict, comment string) url.Values {
	b.h.t.Helper()
	return url.Values{"token": {b.token()}, "hash": {t.Hash.Hex()}, "verdict": {verdict}, "comment": {comment}}
}

// vote votes with somebody's passkey.
func (b *browser) vote(t *approval.Ticket, person, verdict, comment string) answer {
	b.h.t.Helper()
	form := b.ballot(t, verdict, comment)
	path := "/tickets/" + t.Content.ID + "/vote"
	form.Set("answer", answerOf(person, b.options(path+"/begin", form)))
	return b.post(path, form)
}
