package policy

// wordDefinitions are the shapes that shapes of words refer to.
func wordDefinitions() map[string]any {
	return map[string]any{"comparison": comparisonShape(), "members": membersShape()}
}
