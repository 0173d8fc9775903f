package diag

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// hidden stands for a value that is there and not told.
const hidden = "(set, not shown)"

// shown are the keys of the configuration whose values are told: numbers, switches,
// names that the log tells as well, and of URLs the scheme and the host. A new key is
// not among them until somebody puts it here.
func shown() []string {
	return []string{
		"chainids", "advanced", "refresh_interval",
		"rules.timeout", "rules.attest_key",
		"audit.max_bytes", "audit.requests", "audit.checkpoint_key", "audit.checkpoint_interval",
		"listeners.ipc.disabled", "listeners.ipc.only_known",
		"listeners.http.enabled", "listeners.http.addr", "listeners.http.port", "listeners.http.tls.min_version",
		"listeners.http.tls.caller_name", "listeners.http.jwt.principal_claim", "listeners.http.jwt.algorithms",
		"proxy.addr", "proxy.port", "proxy.node_timeout", "proxy.tls.min_version", "proxy.allow", "proxy.deny",
		"proxy.other_accounts", "proxy.gas_margin", "proxy.tx_fee_cap", "proxy.poll_interval", "proxy.confirmations", "proxy.retain",
		"approvals.remember", "approvals.keep", "approvals.max_open", "approvals.max_open_per_caller",
		"approvals.default.threshold", "approvals.default.requester", "approvals.default.expires", "approvals.default.wait",
		"approvals.console.enabled", "approvals.console.addr", "approvals.console.port",
		"approvals.webhooks.template", "approvals.webhooks.events",
		"vaults.name", "vaults.url", "vaults.keys", "vaults.include_managed", "vaults.hsm", "vaults.credential.kind",
		"vaults.requests_per_second", "vaults.max_in_flight", "vaults.try_timeout", "vaults.timeout", "vaults.custom_endpoint",
		"account_new.vault", "account_new.prefix",
		"log.level", "log.format",
		"limits.body_bytes", "limits.batch", "limits.response_bytes", "limits.request_timeout", "limits.sign_timeout",
		"limits.repeat", "limits.shutdown_timeout",
		"metrics.enabled", "metrics.addr", "metrics.port", "tracing.sample",
	}
}

// Config returns a configuration in YAML with the values that may be told. It is given
// as the program has it, with all defaults.
func Config(config any) ([]byte, error) {
	var document yaml.Node
	if err := document.Encode(config); err != nil {
		return nil, fmt.Errorf("encoding the configuration: %w", err)
	}
	prune(&document, "", shown())
	text, err := yaml.Marshal(&document)
	if err != nil {
		return nil, fmt.Errorf("encoding the configuration: %w", err)
	}
	return text, nil
}

// prune hides what is not listed. A list is as its members; below a key that is not
// above a listed one nothing is told, not even names.
func prune(node *yaml.Node, path string, listed []string) {
	switch {
	case node.Kind == yaml.SequenceNode && len(node.Content) > 0 && !slices.Contains(listed, path) && !above(path, listed):
		hide(node)
	case node.Kind == yaml.DocumentNode || node.Kind == yaml.SequenceNode:
		for _, child := range node.Content {
			prune(child, path, listed)
		}
	case node.Kind == yaml.MappingNode && above(path, listed):
		for i := 0; i+1 < len(node.Content); i += 2 {
			prune(node.Content[i+1], strings.TrimPrefix(path+"."+node.Content[i].Value, "."), listed)
		}
	case node.Kind == yaml.MappingNode:
		if len(node.Content) > 0 {
			hide(node)
		}
	case empty(node):
	case !slices.Contains(listed, path):
		hide(node)
	case strings.HasSuffix(path, "url"):
		node.Value = hostOnly(node.Value)
	}
	node.HeadComment, node.LineComment, node.FootComment = "", "", ""
}

// above reports whether a listed key is below a path.
func above(path string, listed []string) bool {
	return path == "" || slices.ContainsFunc(listed, func(key string) bool { return strings.HasPrefix(key, path+".") })
}

func empty(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && (node.Tag == "!!null" || slices.Contains([]string{"", "0", "0s", "false"}, node.Value))
}

func hide(node *yaml.Node) {
	*node = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: hidden}
}

// hostOnly takes everything off a URL but its scheme and host.
func hostOnly(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return hidden
	}
	return u.Scheme + "://" + u.Host
}
