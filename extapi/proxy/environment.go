package proxy

import (
	"errors"
	"net/http"
	"net/url"
)

var errProxySetting = errors.New("HTTP_PROXY or HTTPS_PROXY in the environment is no URL")

// throughProxy finds the proxy for a request. No error shows its address, which may
// hold a password.
func throughProxy(find func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(r *http.Request) (*url.URL, error) {
		through, err := find(r)
		if err != nil {
			return nil, errProxySetting
		}
		return through, nil
	}
}
