package config

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/suggest"
)

// Bounds of approvals, as a policy has them.
const (
	maxPeople     = 1000
	maxPrincipals = 100
	maxName       = 100 // bytes
	minExpiry     = time.Minute
	maxExpiry     = 30 * 24 * time.Hour
	maxWait       = 5 * time.Minute
	maxRemember   = 24 * time.Hour
	maxKeep       = 366 * 24 * time.Hour
	maxOpen       = 1000
	maxWebhooks   = 10
)

// User ids that are nobody's: what Linux tells in the place of one that has none in
// this namespace, and what stands for none at all.
const (
	unknownUser = 65534
	noUser      = 1<<32 - 1
)

// personForm is the form of a person's name: it may be a principal's, too.
var personForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.@-]*$`)

// Validate completes the section and reports every value of it that can't be meant.
func (a *Approvals) Validate() error {
	for i := range a.Webhooks {
		a.Webhooks[i].complete()
	}
	return errors.Join(a.ValidateConsole(), a.validateDefault(), a.validateBounds(), a.validateSocket(), a.validateWebhooks())
}

func (a *Approvals) validatePeople() error {
	var p problems
	p.when(len(a.People) > maxPeople, "approvals.people: %d people are more than %d", len(a.People), maxPeople)
	uids, identities := make(map[uint32]string), make(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(a.People)) {
		person, shown := a.People[name], name
		if !personForm.MatchString(name) || len(name) > maxName {
			p.when(true, "approvals.people: %q is no name: it has letters, digits and _.-@, %d at most, and begins with a letter or digit", name, maxName)
			shown = strconv.Quote(name)
		}
		key := "approvals.people." + shown
		p.when(len(person.Principals) > maxPrincipals || slices.Contains(person.Principals, ""), "%s.principals: they are %d at most, and none is empty", key, maxPrincipals)
		if uid := person.UID; uid != nil {
			p.when(*uid == unknownUser || *uid == noUser, "%s.uid: %d is what the system says of users that it does not know: give the person's own", key, *uid)
			other, again := uids[*uid]
			p.when(again, "%s.uid: %d is the uid of %s: one user of the machine can't be two people", key, *uid, other)
			uids[*uid] = shown
		}
		if person.OIDC != "" {
			other, again := identities[strings.ToLower(person.OIDC)]
			p.when(again, "%s.oidc: %q is %s: one can't be two people", key, person.OIDC, other)
			identities[strings.ToLower(person.OIDC)] = shown
		}
	}
	return errors.Join(p...)
}

func (a *Approvals) validateDefault() error {
	d := a.Default
	var p problems
	switch {
	case len(d.Of) == 0 && d.Threshold > 1:
		p.when(true, "approvals.default.of is missing: give the names of those who may approve")
	case d.Threshold < 1 || len(d.Of) > 0 && d.Threshold > len(d.Of):
		p.when(true, "approvals.default.threshold: %d of %d people can't approve", d.Threshold, len(d.Of))
	}
	p.when(d.Requester != RequesterExcluded && d.Requester != RequesterIncluded, "approvals.default.requester: %q is neither %s nor %s", d.Requester, RequesterExcluded, RequesterIncluded)
	p.when(d.Expires < minExpiry || d.Expires > maxExpiry, "approvals.default.expires: %s; it must be from %s to %s", d.Expires, minExpiry, maxExpiry)
	p.when(d.Wait < 0 || d.Wait > maxWait, "approvals.default.wait: %s; it must be from 0s to %s", d.Wait, maxWait)
	for i, name := range d.Of {
		p.when(slices.Contains(d.Of[:i], name), "approvals.default.of: %q is there twice", name)
	}
	return errors.Join(append(p, a.Know("approvals.default", d.Quorum()))...)
}

// Know names those of a quorum who are none of the people: whoever waits for somebody
// who can't approve waits in vain.
func (a *Approvals) Know(what string, quorum *rules.Quorum) error {
	if quorum == nil {
		return nil
	}
	var p problems
	for i, name := range quorum.Of {
		if _, known := a.People[name]; !known && !slices.Contains(quorum.Of[:i], name) {
			p.when(true, "%s: %q is none of approvals.people, and could never approve%s", what, name,
				suggest.DidYouMean("", name, slices.Sorted(maps.Keys(a.People))))
		}
	}
	return errors.Join(p...)
}

func (a *Approvals) validateBounds() error {
	var p problems
	p.when(a.Remember < time.Second || a.Remember > maxRemember, "approvals.remember: %s; it must be from 1s to %s", a.Remember, maxRemember)
	p.when(a.Keep < time.Minute || a.Keep > maxKeep, "approvals.keep: %s; it must be from 1m to %s", a.Keep, maxKeep)
	p.when(a.MaxOpen < 1 || a.MaxOpen > maxOpen, "approvals.max_open: %d; it must be from 1 to %d", a.MaxOpen, maxOpen)
	p.when(a.MaxOpenPerCaller < 1 || a.MaxOpenPerCaller > maxOpen, "approvals.max_open_per_caller: %d; it must be from 1 to %d", a.MaxOpenPerCaller, maxOpen)
	return errors.Join(p...)
}

func (a *Approvals) validateSocket() error {
	if a.SocketGroup != "" && a.Socket == "" {
		return errors.New("approvals.socket_group: the data directory is the signer's user's alone: give a path elsewhere by approvals.socket, such as /run/kvclef/approvals.sock")
	}
	return nil
}

// ValidateConsole reports every value that can't be meant of the console, and of the people who
// sign in there.
func (a *Approvals) ValidateConsole() error {
	c := &a.Console
	p := problems{a.validatePeople(), c.TLS.TLS().validate("approvals.console.tls"), c.OIDC.validate()}
	origin := c.Origin()
	switch u, err := url.Parse(origin); {
	case err != nil || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "":
		p.when(true, "approvals.console.url: %q is not the address of a site, such as https://approvals.example.com", origin)
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		p.when(true, "approvals.console.url: %q is not https, which browsers want of all but this machine", origin)
	}
	p.when(c.Enabled && c.Port == 0, "approvals.console.port: 0; people and their passkeys need an address that stays: it must be from 1 to 65535")
	p.when(c.Enabled && !a.Enabled(), "approvals.console: there is nobody to sign in: name people by approvals.people")
	return errors.Join(p...)
}

func (o *OIDC) validate() error {
	if o.Issuer == "" && o.ClientID == "" && o.ClientSecretFile == "" && o.Group == "" {
		return nil // it is off
	}
	var p problems
	switch u, err := url.Parse(o.Issuer); {
	case o.Issuer == "":
		p.when(true, "approvals.console.oidc.issuer is missing: the other keys go with it")
	case err == nil && u.User != nil || err != nil && strings.Contains(o.Issuer, "@"): // which is not shown
		p.when(true, "approvals.console.oidc.issuer: it has a user's name or a password in it, and may have none")
	case err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		p.when(true, "approvals.console.oidc.issuer: %q is not the https URL of an issuer", o.Issuer)
	}
	p.when(o.ClientID == "", "approvals.console.oidc.client_id is missing")
	p.when(o.GroupsClaim == "", "approvals.console.oidc.groups_claim: it is empty; remove the line for groups")
	return errors.Join(p...)
}

func (a *Approvals) validateWebhooks() error {
	var p problems
	p.when(len(a.Webhooks) > maxWebhooks, "approvals.webhooks: %d are more than %d", len(a.Webhooks), maxWebhooks)
	templates, events := []string{TemplateJSON, TemplateSlack, TemplateTeams}, []string{EventOpened, EventDecided, EventExpired}
	for i := range a.Webhooks {
		w, key := &a.Webhooks[i], fmt.Sprintf("approvals.webhooks[%d]", i)
		u, err := url.Parse(w.URL) // no error shows it: it may hold a secret
		switch {
		case w.URL == "":
			p.when(true, "%s.url is missing", key)
		case err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
			p.when(true, "%s.url: it is not a URL with https, or http on this machine", key)
		}
		p.when(!slices.Contains(templates, w.Template), "%s.template: %q is not one of %s%s", key, w.Template, strings.Join(templates, ", "), suggest.DidYouMean("", w.Template, templates))
		for _, event := range w.Events {
			p.when(!slices.Contains(events, event), "%s.events: %q is not one of %s%s", key, event, strings.Join(events, ", "), suggest.DidYouMean("", event, events))
		}
	}
	return errors.Join(p...)
}

// complete fills in the defaults.
func (w *Webhook) complete() {
	if w.Template == "" {
		w.Template = TemplateJSON
	}
	if len(w.Events) == 0 {
		w.Events = []string{EventOpened, EventDecided, EventExpired}
	}
}

// loopback reports whether a host is this machine.
func loopback(host string) bool { return host == "localhost" || net.ParseIP(host).IsLoopback() }
