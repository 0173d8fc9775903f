package main

import "slices"

// clefFlag is a flag of Clef 1.17.3 that has no use here. The flags that work
// as they do in Clef are among the flags of serve.
type clefFlag struct {
	name     string
	valued   bool
	unneeded string // accepted with this warning
	instead  string // refused with this remedy
}

func clefFlagNamed(name string) (clefFlag, bool) {
	i := slices.IndexFunc(clefFlags, func(f clefFlag) bool { return f.name == name })
	if i < 0 {
		return clefFlag{}, false
	}
	return clefFlags[i], true
}

// clefFlags are accepted where dropping them changes nothing that is signed,
// and refused where the operator counts on something that would not happen.
var clefFlags = []clefFlag{
	{name: "nousb", unneeded: "there are no USB wallets"},
	{name: "lightkdf", unneeded: "there is no keystore; keys stay in the vault"},
	{name: "pcscdpath", valued: true, unneeded: "there are no smart cards"},
	{name: "keystore", valued: true, instead: "keys are in a vault, not in a keystore folder; name the vault with --vault"},
	{name: "signersecret", valued: true, instead: "there is no master seed; the credential of the vault takes its place, see --credential"},
	{name: "version", instead: "use kvclef version"},
	{name: "stdio-ui-test", instead: "there is no test of the user interface; see --stdio-ui"},
}

// clefCommand says what takes the place of a command of Clef.
func clefCommand(name string) (string, bool) {
	switch name {
	case "newaccount":
		return "use kvclef keys create NAME --vault VAULT", true
	case "importraw":
		return "use kvclef keys import NAME FILE --vault VAULT", true
	case "list-accounts", "list-wallets":
		return "use kvclef keys list", true
	case "setpw", "delpw":
		return "there is no master seed and no password; the credential of the vault takes their place", true
	case "gendoc":
		return "see docs/compatibility.md", true
	default:
		return "", false
	}
}
