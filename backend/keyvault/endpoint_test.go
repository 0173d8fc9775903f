package keyvault

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
)

func TestParseEndpoint(t *testing.T) {
	const public, china, government = "https://login.microsoftonline.com/", "https://login.chinacloudapi.cn/", "https://login.microsoftonline.us/"
	for raw, want := range map[string]endpoint{
		"https://kv.vault.azure.net":               {url: "https://kv.vault.azure.net", host: "kv.vault.azure.net", label: "kv", authority: public},
		"HTTPS://KV.Vault.Azure.NET:443/":          {url: "https://kv.vault.azure.net", host: "kv.vault.azure.net", label: "kv", authority: public},
		"  kv.vault.azure.net  ":                   {url: "https://kv.vault.azure.net", host: "kv.vault.azure.net", label: "kv", authority: public},
		"https://h.managedhsm.azure.net":           {url: "https://h.managedhsm.azure.net", host: "h.managedhsm.azure.net", label: "h", authority: public, hsm: true},
		"https://kv.vault.azure.cn":                {url: "https://kv.vault.azure.cn", host: "kv.vault.azure.cn", label: "kv", authority: china},
		"https://h.managedhsm.azure.cn":            {url: "https://h.managedhsm.azure.cn", host: "h.managedhsm.azure.cn", label: "h", authority: china, hsm: true},
		"https://kv.vault.usgovcloudapi.net":       {url: "https://kv.vault.usgovcloudapi.net", host: "kv.vault.usgovcloudapi.net", label: "kv", authority: government},
		"https://h.managedhsm.usgovcloudapi.net//": {url: "https://h.managedhsm.usgovcloudapi.net", host: "h.managedhsm.usgovcloudapi.net", label: "h", authority: government, hsm: true},
	} {
		got, err := parseEndpoint(raw, false, "")
		if err != nil || got != want {
			t.Errorf("%q: got %+v, %v, want %+v", raw, got, err, want)
		}
	}
	got, err := parseEndpoint("https://127.0.0.1:8443", true, "https://127.0.0.1:8443/")
	if want := (endpoint{url: "https://127.0.0.1:8443", host: "127.0.0.1:8443", label: "127", authority: "https://127.0.0.1:8443/", custom: true}); err != nil || got != want {
		t.Errorf("custom: got %+v, %v, want %+v", got, err, want)
	}
	if got, err := parseEndpoint("kv.vault.azure.net", false, "login.example.org"); err != nil || got.authority != "https://login.example.org/" {
		t.Errorf("authority: got %+v, %v", got, err)
	}
}

func TestParseEndpointRefuses(t *testing.T) {
	for raw, want := range map[string]string{
		"":                                    "the host is missing",
		"http://kv.vault.azure.net":           "want https",
		"https://kv.vault.azure.net/keys":     "must not hold a path",
		"https://kv.vault.azure.net?a=b":      "must not hold a query",
		"https://kv.vault.azure.net#f":        "must not hold a query or fragment",
		"https://u:p@kv.vault.azure.net":      "must not hold a user",
		"https://kv.vault.azure.net:8443":     "not a Key Vault",
		"https://a.b.vault.azure.net":         "want one name before",
		"https://.vault.azure.net":            "malformed",
		"https://vault.azure.net":             "not a Key Vault",
		"https://kv.vault.azure.net.evil.x":   "not a Key Vault",
		"https://evil-vault.azure.net":        "not a Key Vault",
		"https://kv_1.vault.azure.net":        "malformed",
		"https://kv.vault.azure.net\n":        "", // trimmed
		"https://%zz":                         "not a URL",
		"https://" + strings.Repeat("a", 600): "longer than 512",
	} {
		if _, err := parseEndpoint(raw, false, ""); want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %v, want %q", raw, err, want)
		}
	}
	for name, c := range map[string]struct{ raw, authority, want string }{
		"known host":   {"https://kv.vault.azure.net", "https://a", "remove the custom endpoint setting"},
		"no authority": {"https://127.0.0.1:1", "", "needs an authority"},
		"http":         {"https://127.0.0.1:1", "http://a", "want https"},
	} {
		if _, err := parseEndpoint(c.raw, true, c.authority); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func FuzzParseEndpoint(f *testing.F) {
	for _, raw := range []string{"https://kv.vault.azure.net", "https://127.0.0.1:8443", "https://[::1]:8443", "https://[::1]", "kv.vault.azure.cn:443", "https://a:b@c/d?e#f", "https://a:", "https://a:443:443"} {
		f.Add(raw, "https://login.example.org", true)
		f.Add(raw, "", false)
	}
	plain := regexp.MustCompile(`^https://(\[[0-9a-f:.]+\]|[0-9a-z.-]+)(:[0-9]+)?$`)
	f.Fuzz(func(t *testing.T, raw, authority string, custom bool) {
		e, err := parseEndpoint(raw, custom, authority)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") && !strings.ContainsAny(raw+authority, "\n\r") {
				t.Fatalf("error of several lines: %q", err)
			}
			return
		}
		if !plain.MatchString(e.url) || !plain.MatchString(strings.TrimSuffix(e.authority, "/")) || e.custom != custom {
			t.Fatalf("%q gave %+v", raw, e)
		}
		u, err := url.Parse(e.url)
		if err != nil || u.Host != e.host || u.Port() == "443" {
			t.Fatalf("%q gave %+v, whose host is %q (%v)", raw, e, u.Host, err)
		}
		if !custom {
			known := false
			for _, s := range suffixes {
				known = known || strings.HasSuffix(e.host, s.domain)
			}
			if !known {
				t.Fatalf("%q gave %+v, a host of no known suffix", raw, e)
			}
		}
		again, err := parseEndpoint(e.url, custom, e.authority)
		if err != nil || again != e {
			t.Fatalf("%q gave %+v, and that gave %+v, %v", raw, e, again, err)
		}
	})
}
