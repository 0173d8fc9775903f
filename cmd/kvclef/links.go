package main

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
)

// Links are the variables by which Kubernetes tells the pods of a namespace where a Service is,
// and Docker (--link) one container where another is. Of what is called kvclef, or begins so,
// as kvclef-metrics, they begin with [variablePrefix]. Nobody has written them, so they
// don't keep a signer from starting. What somebody has written, and misspelt, must: it is a
// setting that does not hold.
//
// So a variable counts as a link's only if nobody can have meant a setting by it. Its name and
// its value must be what a link has. An address such as tcp://10.0.0.1:8550 is the value of no
// setting, and a port with its protocol, _PORT_8550_TCP_, is in the name of none. Where
// neither is there, as in KVCLEF_SERVICE_HOST=10.0.0.1, another variable of the same link must
// show that there is one. KVCLEF_PORT=8550 is none: no link writes it.
type links map[string]string // value by name, of the whole environment

func environment() links {
	all := make(links)
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		all[name] = value
	}
	return all
}

// made reports whether a link made a variable. Where in its name the link's name ends is not
// told by the name.
func (l links) made(name string) bool {
	for i, c := range name {
		if c == '_' && i >= len(variablePrefix)-1 && l.has(name[:i], name[i+1:]) {
			return true
		}
	}
	return false
}

// ofPort is what follows the name of a link in a variable about one port, or the first and
// the last of several.
var ofPort = regexp.MustCompile(`^PORT_[0-9]+_(TCP|UDP|SCTP)(?:_(ADDR|PROTO|START|END|PORT|PORT_START|PORT_END))?$`)

// has reports whether a link called so has a variable with what follows its name.
func (l links) has(link, what string) bool {
	value := l[link+"_"+what]
	if parts := ofPort.FindStringSubmatch(what); parts != nil {
		switch parts[2] {
		case "", "START", "END":
			return isAddress(value)
		case "ADDR":
			return isIP(value)
		case "PROTO":
			return strings.EqualFold(value, parts[1])
		default:
			return isPort(value)
		}
	}
	switch {
	case what == "PORT":
		return isAddress(value)
	case what == "NAME":
		return l.named(link)
	case strings.HasPrefix(what, "ENV_"): // what the other container has there
		return l.named(link)
	case what == "SERVICE_HOST":
		return isIP(value) && l.shown(link)
	case what == "SERVICE_PORT", strings.HasPrefix(what, "SERVICE_PORT_"):
		return isPort(value) && l.shown(link)
	}
	return false
}

// shown reports whether there is a link called so. Its address may be missing: a setting of
// the same name goes before it.
func (l links) shown(link string) bool {
	return isAddress(l[link+"_PORT"]) || isIP(l[link+"_SERVICE_HOST"]) && isPort(l[link+"_SERVICE_PORT"])
}

// named reports whether Docker made a link called so: the name is that of the container which
// has the link, and the link's, as in /web/kvclef.
func (l links) named(link string) bool {
	parts := strings.Split(l[link+"_NAME"], "/")
	return len(parts) == 3 && parts[0] == "" && parts[1] != "" && strings.ToUpper(strings.ReplaceAll(parts[2], "-", "_")) == link
}

// isAddress reports whether a value is that of a link's port.
func isAddress(value string) bool {
	protocol, host, _ := strings.Cut(value, "://")
	_, err := netip.ParseAddrPort(host)
	return err == nil && slices.Contains([]string{"tcp", "udp", "sctp"}, protocol)
}

func isIP(value string) bool {
	_, err := netip.ParseAddr(value)
	return err == nil
}

func isPort(value string) bool {
	_, err := strconv.ParseUint(value, 10, 16)
	return err == nil
}

// linkedSettings says of each flag's variable that a link made, and that the error is about or
// another one would be, where it comes from. It returns the error itself if that is about
// something else.
func linkedSettings(flags []cli.Flag, wrong error) error {
	var problems []error
	found, all := false, environment()
	for _, name := range variablesOf(flags) {
		link, ends := strings.CutSuffix(name, "_PORT")
		if !ends || !isAddress(all[name]) {
			continue
		}
		found = found || strings.Contains(wrong.Error(), strconv.Quote(name))
		problems = append(problems, usagef("the variable %s has %s, which Kubernetes makes of a Service, and Docker of a link, called %s: "+
			"set enableServiceLinks: false in the pod, rename the Service or the link, or give the variable a port", name, all[name], strings.ToLower(strings.ReplaceAll(link, "_", "-"))))
	}
	if !found {
		problems = append([]error{wrong}, problems...)
	}
	return errors.Join(problems...)
}

// tellLinks lets the log know which variables are passed over.
func tellLinks(ctx context.Context, log *slog.Logger) {
	var names []string
	all := environment()
	for name := range all {
		if strings.HasPrefix(name, variablePrefix) && all.made(name) {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		slices.Sort(names)
		log.DebugContext(ctx, "Variables of links between containers are no settings", "variables", names)
	}
}
