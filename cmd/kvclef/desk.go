package main

import (
	"sync"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/extapi/callers"
)

// desk is where callers of all parts of a signer are let in. The zero value has not
// been opened yet.
type desk struct {
	once sync.Once
	of   *callers.Desk
}

// open returns the desk with the configured bounds.
func (d *desk) open(cfg config.Callers) *callers.Desk {
	d.once.Do(func() { d.of = callers.New(callerBounds(cfg)) })
	return d.of
}

// places are for the requests under way of all callers. More cannot come over HTTP,
// which has a connection for each.
const places = 512

// callerBounds returns the configured bounds of callers.
func callerBounds(cfg config.Callers) callers.Config {
	bounds := callers.Config{Default: callerLimits(cfg.Default), Places: places, Named: make(map[string]callers.Limits, len(cfg.Principals))}
	for name, limits := range cfg.Principals {
		bounds.Named[name] = callerLimits(limits)
	}
	return bounds
}

func callerLimits(cfg config.CallerLimits) callers.Limits {
	rate, _ := cfg.PerSecond() // the configuration was checked
	return callers.Limits{Rate: rate, Burst: cfg.Burst, InFlight: cfg.InFlight, Weight: cfg.Weight}
}
