package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// names are those of the contenders.
func names() []string {
	var all []string
	for _, c := range contenders() {
		all = append(all, c.name)
	}
	return all
}

// among reads some of what there is, in a list with commas.
func among(known []string, text string) ([]string, error) {
	chosen := strings.Split(text, ",")
	for _, name := range chosen {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("%q is none of %s", name, strings.Join(known, ", "))
		}
	}
	return chosen, nil
}

// numbers reads positive numbers with commas.
func numbers(text string) ([]int, error) {
	var all []int
	for _, part := range strings.Split(text, ",") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no number from 1", part)
		}
		all = append(all, n)
	}
	return all, nil
}
