package console

import (
	"net/http"
	"net/url"
	"time"
)

// cookies are what browsers keep. Over https they have the prefix __Host-: no other
// host, and nothing in clear, can set or get them. Over http, which is for a loopback
// host alone, not all browsers keep cookies that are Secure, so that they are not;
// their names have the port then, since all ports of a host share its cookies.
type cookies struct {
	secure  bool
	session string
	browser string // of somebody who signs in or enrols a passkey
	flow    string // of a sign-in at an issuer
}

func cookiesOf(origin *url.URL) cookies {
	if origin.Scheme == "https" {
		return cookies{secure: true, session: "__Host-kvclef-session", browser: "__Host-kvclef-browser", flow: "__Host-kvclef-oidc"}
	}
	suffix := ""
	if port := origin.Port(); port != "" {
		suffix = "-" + port
	}
	return cookies{session: "kvclef-session" + suffix, browser: "kvclef-browser" + suffix, flow: "kvclef-oidc" + suffix}
}

// set gives a cookie to a browser, until it is closed or the time is over.
func (c cookies) set(w http.ResponseWriter, name, value string, same http.SameSite, age time.Duration) {
	http.SetCookie(w, &http.Cookie{ // #nosec G124 -- not secure on a loopback host over http alone
		Name: name, Value: value, Path: "/", HttpOnly: true, Secure: c.secure, SameSite: same, MaxAge: int(age / time.Second),
	})
}

// drop takes a cookie away.
func (c cookies) drop(w http.ResponseWriter, name string, same http.SameSite) {
	http.SetCookie(w, &http.Cookie{Name: name, Path: "/", HttpOnly: true, Secure: c.secure, SameSite: same, MaxAge: -1}) // #nosec G124 -- likewise
}

// get returns a cookie that is there once, else "".
func (cookies) get(r *http.Request, name string) string {
	if all := r.CookiesNamed(name); len(all) == 1 {
		return all[0].Value
	}
	return ""
}
