package policy

// The words about actions, effects, typed data and texts.
func actionWords() []word { return nil }
func effectWords() []word { return nil }
func typedWords() []word  { return nil }
func textWords() []word   { return nil }

// wordDefinitions are the shapes that shapes of words refer to.
func wordDefinitions() map[string]any { return nil }
