package keyvault

import (
	"errors"
	"fmt"
)

// Check reports all that is wrong with the configuration itself: values, and files of
// secrets and authorities that can't be used. It asks nobody.
func (c Config) Check() error {
	cfg, err := c.withDefaults()
	problems := []error{err}
	at, err := parseEndpoint(cfg.URL, cfg.CustomEndpoint, cfg.Authority)
	if err != nil {
		problems = append(problems, err)
		at = endpoint{url: "https://vault.invalid", host: "vault.invalid", authority: "https://authority.invalid/", custom: true} // what else is wrong is looked at without one
	} else if cfg.Name == "" {
		cfg.Name = at.label
	}
	add := func(err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("vault %s: %w", cfg.Name, err))
		}
	}
	for _, raw := range cfg.Keys {
		_, err := parseKey(raw)
		add(err)
	}
	transport, err := newTransports(cfg)
	if add(err); err != nil {
		cfg.CAFile = ""
		if transport, err = newTransports(cfg); err != nil {
			return errors.Join(problems...)
		}
	}
	_, err = newClient(at, cfg, defaultTuning(), transport)
	add(err)
	return errors.Join(problems...)
}
