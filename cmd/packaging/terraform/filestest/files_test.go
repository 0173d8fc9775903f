package filestest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// blocks reads all files, and returns their blocks by what refers to them.
func blocks(t *testing.T) map[string]*hclsyntax.Block {
	t.Helper()
	files, err := filepath.Glob("../*.tf")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	found := make(map[string]*hclsyntax.Block)
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(hclwrite.Format(text), text) {
			t.Errorf("%s is not as terraform fmt writes it", path)
		}
		file, problems := hclparse.NewParser().ParseHCL(text, path)
		if problems.HasErrors() {
			t.Fatal(problems)
		}
		body, ok := file.Body.(*hclsyntax.Body)
		if !ok {
			t.Fatalf("%s has a body of the type %T", path, file.Body)
		}
		for _, block := range body.Blocks {
			name := nameOf(block)
			if found[name] != nil {
				t.Errorf("%s is there twice", name)
			}
			found[name] = block
		}
	}
	return found
}

// nameOf is what refers to a block.
func nameOf(block *hclsyntax.Block) string {
	switch block.Type {
	case "variable":
		return "var." + block.Labels[0]
	case "data":
		return "data." + block.Labels[0] + "." + block.Labels[1]
	case "resource":
		return block.Labels[0] + "." + block.Labels[1]
	default:
		return fmt.Sprint(block.Type, block.Labels)
	}
}

// TestWhatIsReferredToIsThere: variables, data and resources are, and each variable has a use.
func TestWhatIsReferredToIsThere(t *testing.T) {
	all := blocks(t)
	used := make(map[string]bool)
	for name, block := range all {
		for _, to := range references(block.Body, block.Type == "variable") {
			if used[to] = true; all[to] == nil {
				t.Errorf("%s refers to %s, which is not there", name, to)
			}
		}
	}
	for name, block := range all {
		if block.Type == "variable" && !used[name] {
			t.Errorf("%s is not used", name)
		}
	}
}

// references are what the expressions of a body refer to. The type of a variable is in
// words that refer to nothing, and its conditions are about itself.
func references(body *hclsyntax.Body, variable bool) (names []string) {
	for _, attribute := range body.Attributes {
		if variable && attribute.Name != "default" {
			continue
		}
		for _, to := range hclsyntax.Variables(attribute.Expr) {
			if name := target(to); name != "" {
				names = append(names, name)
			}
		}
	}
	for _, block := range body.Blocks {
		if !variable {
			names = append(names, references(block.Body, false)...)
		}
	}
	return names
}

// target names the block that a reference is to, "" if it is to none.
func target(to hcl.Traversal) string {
	steps := []string{to.RootName()}
	for _, step := range to[1:] {
		attribute, ok := step.(hcl.TraverseAttr)
		if !ok {
			break
		}
		steps = append(steps, attribute.Name)
	}
	length := 2
	switch steps[0] {
	case "data":
		length = 3
	case "each", "key": // of for_each, and of a loop
		return ""
	}
	return strings.Join(steps[:min(length, len(steps))], ".")
}

// TestTheIdentityReadsAndSigns, at this vault, and may do nothing else.
func TestTheIdentityReadsAndSigns(t *testing.T) {
	all := blocks(t)
	var roles, assignments int
	for name, block := range all {
		switch {
		case block.Type == "resource" && block.Labels[0] == "azurerm_role_definition":
			roles++
			permissions := inside(t, block.Body, "permissions")
			for attribute, want := range map[string][]string{
				"actions": {}, "not_actions": {}, "not_data_actions": {},
				"data_actions": {"Microsoft.KeyVault/vaults/keys/read", "Microsoft.KeyVault/vaults/keys/sign/action"},
			} {
				if got := texts(t, permissions, attribute); !slices.Equal(got, want) {
					t.Errorf("%s: %s are %q, want %q", name, attribute, got, want)
				}
			}
		case block.Type == "resource" && block.Labels[0] == "azurerm_role_assignment":
			assignments++
			for attribute, want := range map[string]string{
				"scope": "azurerm_key_vault.signer", "role_definition_id": "azurerm_role_definition.signer", "principal_id": "azurerm_user_assigned_identity.signer",
			} {
				if got := refersTo(t, block.Body, attribute); got != want {
					t.Errorf("%s: %s is %q, want %q", name, attribute, got, want)
				}
			}
		}
	}
	if roles != 1 || assignments != 1 {
		t.Errorf("%d roles and %d assignments, want one of each", roles, assignments)
	}
}

// TestTheVaultIsClosed: roles decide, strangers are turned away, nobody purges a key, and
// keys do nothing but sign, on the curve of Ethereum.
func TestTheVaultIsClosed(t *testing.T) {
	all := blocks(t)
	vault, key := all["azurerm_key_vault.signer"], all["azurerm_key_vault_key.account"]
	if vault == nil || key == nil {
		t.Fatal("there is no vault, or no key")
	}
	for _, attribute := range []string{"rbac_authorization_enabled", "purge_protection_enabled"} {
		if value, problems := expression(t, vault.Body, attribute).Value(nil); problems.HasErrors() || !value.True() {
			t.Errorf("%s is not true: %v", attribute, problems)
		}
	}
	network := inside(t, vault.Body, "network_acls")
	if got := text(t, network, "default_action"); got != "Deny" {
		t.Errorf("by default the network is %q", got)
	}
	if got := text(t, network, "bypass"); got != "None" {
		t.Errorf("%q go past the rules of the network", got)
	}
	if got := text(t, key.Body, "curve"); got != "P-256K" {
		t.Errorf("keys are of the curve %q", got)
	}
	if got, want := texts(t, key.Body, "key_opts"), []string{"sign", "verify"}; !slices.Equal(got, want) {
		t.Errorf("keys may %q, want %q", got, want)
	}
}

func inside(t *testing.T, body *hclsyntax.Body, kind string) *hclsyntax.Body {
	t.Helper()
	for _, block := range body.Blocks {
		if block.Type == kind {
			return block.Body
		}
	}
	t.Fatalf("there is no block %s", kind)
	return nil
}

func expression(t *testing.T, body *hclsyntax.Body, name string) hclsyntax.Expression {
	t.Helper()
	attribute := body.Attributes[name]
	if attribute == nil {
		t.Fatalf("there is no %s", name)
	}
	return attribute.Expr
}

// refersTo names the block that an attribute is of.
func refersTo(t *testing.T, body *hclsyntax.Body, name string) string {
	t.Helper()
	to := hclsyntax.Variables(expression(t, body, name))
	if len(to) != 1 {
		t.Fatalf("%s refers to %d things", name, len(to))
	}
	return target(to[0])
}

// text is the value of an attribute that is written out.
func text(t *testing.T, body *hclsyntax.Body, name string) string {
	t.Helper()
	value, problems := expression(t, body, name).Value(nil)
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	return value.AsString()
}

// texts are the values of a list that is written out.
func texts(t *testing.T, body *hclsyntax.Body, name string) []string {
	t.Helper()
	list, problems := expression(t, body, name).Value(nil)
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	values := []string{}
	for _, value := range list.AsValueSlice() {
		values = append(values, value.AsString())
	}
	return values
}
