// Package suggest finds the name that a misspelt one was meant to be. It never
// corrects anything by itself: what is misspelt stays an error.
package suggest

import "strings"

// Nearest returns the candidate with the smallest edit distance to name, or ""
// when none is near enough to be what was meant.
func Nearest(name string, candidates []string) string {
	best, nearest := 1+max(2, len(name)/3), ""
	for _, candidate := range candidates {
		if d := distance(strings.ToLower(name), strings.ToLower(candidate)); d < best {
			best, nearest = d, candidate
		}
	}
	return nearest
}

// DidYouMean returns "; did you mean X" for the candidate nearest to name,
// with the prefix before it, or "" when none is near.
func DidYouMean(prefix, name string, candidates []string) string {
	if nearest := Nearest(name, candidates); nearest != "" {
		return "; did you mean " + prefix + nearest
	}
	return ""
}

// distance is the number of inserted, deleted, replaced or swapped neighbouring
// bytes between a and b (optimal string alignment).
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b)) // too long to be a name of ours
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
