package policy

import (
	"encoding/hex"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// text returns a single value as it was written.
func (p *parser) text(node *yaml.Node, what string) (string, bool) {
	if node.Kind != yaml.ScalarNode || empty(node) {
		p.errorf(node, "%s: want text, not %s", what, kindOf(node))
		return "", false
	}
	return node.Value, true
}

// texts returns a list of different texts, none of them empty. A single one is
// a list of one.
func (p *parser) texts(node *yaml.Node, what string) ([]string, bool) {
	return p.distinct(node, what, func(*yaml.Node, string) bool { return true })
}

// choices returns texts that are among a few.
func (p *parser) choices(node *yaml.Node, what string, allowed ...string) ([]string, bool) {
	return p.distinct(node, what, func(element *yaml.Node, value string) bool { return p.isAmong(element, what, value, allowed) })
}

// distinct returns different texts, each of which is good.
func (p *parser) distinct(node *yaml.Node, what string, good func(element *yaml.Node, value string) bool) ([]string, bool) {
	var found []string
	seen := make(map[string]bool)
	elements := p.list(node, what)
	ok := len(elements) > 0
	for _, element := range elements {
		value, isText := p.text(element, what)
		switch {
		case !isText:
			ok = false
		case value == "":
			p.errorf(element, "%s: an empty text", what)
			ok = false
		case seen[value]:
			p.errorf(element, "%s: %s stands here twice", what, quoted(value))
			ok = false
		case !good(element, value):
			ok = false
		default:
			found = append(found, value)
		}
		seen[value] = true
	}
	return found, ok
}

// isAmong notes a text that is none of a few.
func (p *parser) isAmong(node *yaml.Node, what, value string, allowed []string) bool {
	if slices.Contains(allowed, value) {
		return true
	}
	p.errorf(node, "%s: %s is none of %s%s", what, quoted(value), strings.Join(allowed, ", "), didYouMean(value, allowed))
	return false
}

// choice returns a text that is one of a few, "" after a problem.
func (p *parser) choice(node *yaml.Node, what string, allowed ...string) string {
	value, ok := p.text(node, what)
	if !ok || !p.isAmong(node, what, value, allowed) {
		return ""
	}
	return value
}

// boolean returns true or false, which YAML also spells in other ways.
func (p *parser) boolean(node *yaml.Node, what string) (value, ok bool) {
	if node.Kind != yaml.ScalarNode || node.Value != "true" && node.Value != "false" {
		p.errorf(node, "%s: want true or false, not %s", what, kindOf(node))
		return false, false
	}
	return node.Value == "true", true
}

// decimalForm is a whole number: YAML takes 010 for 8, and we take it for
// neither.
var (
	decimalForm = regexp.MustCompile(`^(0|[1-9][0-9]{0,77})$`)
	numberForm  = regexp.MustCompile(`^(0|-?[1-9][0-9]{0,77}|0x[0-9a-fA-F]{1,64})$`)
)

// integer returns a whole number from 0 to most.
func (p *parser) integer(node *yaml.Node, what string, most uint64) (uint64, bool) {
	if node.Kind == yaml.ScalarNode && decimalForm.MatchString(node.Value) {
		if n, err := strconv.ParseUint(node.Value, 10, 64); err == nil && n <= most {
			return n, true
		}
	}
	p.errorf(node, "%s: want a whole number from 0 to %d, in decimal, not %s", what, most, kindOf(node))
	return 0, false
}

// number returns a whole number of at most 256 bits, in decimal or as 0x and
// hexadecimal digits.
func (p *parser) number(node *yaml.Node, what string) (*big.Int, bool) {
	if node.Kind == yaml.ScalarNode && numberForm.MatchString(node.Value) {
		n, ok := new(big.Int).SetString(node.Value, 0)
		if ok && n.BitLen() <= 256 {
			return n, true
		}
	}
	p.errorf(node, "%s: want a whole number, in decimal or with 0x, not %s", what, kindOf(node))
	return nil, false
}

// bytes returns what 0x and pairs of hexadecimal digits say; any number of bytes
// if size is negative.
func (p *parser) bytes(node *yaml.Node, what string, size int) ([]byte, bool) {
	if node.Kind == yaml.ScalarNode {
		if digits, ok := strings.CutPrefix(node.Value, "0x"); ok {
			if raw, err := hex.DecodeString(digits); err == nil && (size < 0 || len(raw) == size) {
				return raw, true
			}
		}
	}
	if size < 0 {
		p.errorf(node, "%s: want 0x and pairs of hexadecimal digits, not %s", what, kindOf(node))
	} else {
		p.errorf(node, "%s: want 0x and %d hexadecimal digits, not %s", what, 2*size, kindOf(node))
	}
	return nil, false
}

// span is a time span with the text it was written in.
type span struct {
	time.Duration
	text string
}

var daysForm = regexp.MustCompile(`^([1-9][0-9]{0,3})d$`)

// span returns a time span: of Go, or in days.
func (p *parser) span(node *yaml.Node, what string, least, most time.Duration) (span, bool) {
	text, ok := p.text(node, what)
	if !ok {
		return span{}, false
	}
	duration, err := time.ParseDuration(text)
	if days := daysForm.FindStringSubmatch(text); days != nil {
		n, _ := strconv.Atoi(days[1]) // it has four digits at most
		duration, err = time.Duration(n)*24*time.Hour, nil
	}
	switch {
	case err != nil:
		p.errorf(node, "%s: want a time span such as 30m, 24h or 7d, not %s%s", what, quoted(text), meantSpan(text))
		return span{}, false
	case duration < least || duration > most:
		p.errorf(node, "%s: %s is not from %s to %s", what, clip(text), shownSpan(least), shownSpan(most))
		return span{}, false
	}
	return span{duration, text}, true
}

// spanWords is a time span as people write it.
var spanWords = regexp.MustCompile(`^([0-9]{1,4}) *(s|m|h|d)(?:ec|econd|in|inute|our|r|ay)?s?$`)

// meantSpan suggests how a time span is written.
func meantSpan(text string) string {
	if found := spanWords.FindStringSubmatch(strings.ToLower(text)); found != nil {
		return "; did you mean " + found[1] + found[2]
	}
	return ""
}

// shownSpan writes a time span as policies do.
func shownSpan(d time.Duration) string {
	if d >= 48*time.Hour && d%(24*time.Hour) == 0 {
		return strconv.Itoa(int(d/(24*time.Hour))) + "d"
	}
	text := d.String()
	text = strings.TrimSuffix(text, "0s")
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	if text == "" {
		return "0s"
	}
	return text
}

// instant returns a time by RFC 3339.
func (p *parser) instant(node *yaml.Node, what string) (time.Time, bool) {
	text, ok := p.text(node, what)
	if !ok {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		p.errorf(node, "%s: want a time such as 2026-11-26T18:00:00Z, not %s", what, quoted(text))
		return time.Time{}, false
	}
	return at, true
}
