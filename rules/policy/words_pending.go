package policy

// The words about typed data and texts.
func typedWords() []word { return nil }
func textWords() []word  { return nil }

// wordDefinitions are the shapes that shapes of words refer to.
func wordDefinitions() map[string]any { return nil }
