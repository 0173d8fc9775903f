package approval

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/kvclef/kvclef/rules"
)

// newID makes the id of a ticket: 80 random bits as 16 letters and digits.
func newID() string {
	var random [10]byte
	_, _ = rand.Read(random[:]) // never fails
	return strings.ToLower(base32.StdEncoding.EncodeToString(random[:]))
}

// subjectText is what equal requests have in common.
func subjectText(req *rules.Request) (json.RawMessage, error) {
	subject, err := subjectOf(req)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(subject)
	if err != nil {
		return nil, fmt.Errorf("encoding what a request is about: %w", err)
	}
	return text, nil
}

// contentOf is what people are shown of a referral.
func contentOf(req *rules.Request, referral rules.Decision, quorums []*rules.Quorum, now time.Time) (*Content, error) {
	subject, err := subjectText(req)
	if err != nil {
		return nil, err
	}
	c := &Content{
		ID: newID(), Opened: now, Subject: subject, Rule: referral.Rule, Reason: referral.Reason, Explain: referral.Explanation, Policy: referral.Policy,
		FileRefers: referral.FileRefers,
		Request:    req.ID, Transport: req.Caller.Transport, Remote: req.Caller.Remote,
		UserAgent: clip(req.Caller.UserAgent), Origin: clip(req.Caller.Origin),
	}
	expires := quorums[0].Expires
	for _, quorum := range quorums {
		c.Quorums = append(c.Quorums, *quorum)
		expires = min(expires, quorum.Expires)
	}
	if err := checkQuorums(c.Quorums); err != nil {
		return nil, err
	}
	c.Deadline = now.Add(expires)
	for i := range referral.Charges {
		charge := &referral.Charges[i]
		shown := Charge{Limit: charge.Limit, Amount: charge.Amount.Dec(), Window: charge.Window}
		if shown.Limit == "" {
			shown.Limit = charge.Counter
		}
		if charge.Lifted {
			shown.Max = charge.Passes.Dec()
		} else {
			shown.Cap = charge.Cap.Dec()
		}
		c.Charges = append(c.Charges, shown)
	}
	return c, nil
}

// clip bounds what a caller says of itself.
func clip(text string) string {
	text = strings.ToValidUTF8(text, "?")
	if len(text) > maxUserAgent {
		text = strings.ToValidUTF8(text[:maxUserAgent], "")
	}
	return text
}
