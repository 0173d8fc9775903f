package config

import (
	"strings"
	"testing"
)

// TestIdentityThatIsNone: what can't be meant, or would let in whom nobody meant.
func TestIdentityThatIsNone(t *testing.T) {
	for text, why := range map[string]string{
		`listeners: {ipc: {principals: {"root": a}}}`:                                   `"root" is not the number of a user`,
		`listeners: {ipc: {principals: {010: a}}}`:                                      `"010" is not the number of a user`,
		`listeners: {ipc: {principals: {-1: a}}}`:                                       `"-1" is not the number of a user`,
		`listeners: {ipc: {principals: {4294967296: a}}}`:                               `"4294967296" is not the number of a user`,
		`listeners: {ipc: {principals: {1: ""}}}`:                                       "names nobody",
		`listeners: {ipc: {principals: {1: anonymous}}}`:                                "no caller can prove to have",
		`listeners: {ipc: {principals: {1: "uid:2"}}}`:                                  "no caller can prove to have",
		`listeners: {ipc: {principals: }}`:                                              "no name; remove the line",
		`listeners: {ipc: {only_known: true}}`:                                          "nobody could call",
		`listeners: {ipc: {socket_group: ""}}`:                                          "no group; remove the line",
		`listeners: {http: {jwt: {secret_file: ""}}}`:                                   "no proof of who calls; remove the line",
		`listeners: {http: {jwt: }}`:                                                    "no proof of who calls; remove the line",
		`listeners: {http: {jwt: {secret_principal: a}}}`:                               "goes with secret_file",
		`listeners: {http: {jwt: {issuer: "https://a.example"}}}`:                       "audience is missing",
		`proxy: {jwt: {audience: a}}`:                                                   "proxy.jwt.issuer is missing",
		`listeners: {http: {tls: {cert_file: a, key_file: b, caller_name: dns}}}`:       "give client_ca_file as well",
		`proxy: {tls: {cert_file: a, key_file: b, client_ca_file: c, caller_name: cn}}`: "none of dns, uri, email, common_name, subject",
		`proxy: {jwt: {issuer: "https://a.example", audience: x}}
approvals: {console: {oidc: {client_id: X}}}`: "register another",
	} {
		cfg, err := Parse("kvclef.yaml", []byte(text))
		if err == nil {
			err = cfg.Validate()
		}
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want %s", text, err, why)
		}
	}
}

// TestUsers: without any of the keys users are not told apart.
func TestUsers(t *testing.T) {
	if users, err := (&IPC{}).Users(); users != nil || err != nil {
		t.Errorf("%+v, %v", users, err)
	}
	for _, ipc := range []IPC{{SocketGroup: "g"}, {OnlyKnown: true}, {Principals: map[string]string{"1": "a"}}} {
		if users, err := ipc.Users(); users == nil || err != nil {
			t.Errorf("%+v: %+v, %v", ipc, users, err)
		}
	}
}
