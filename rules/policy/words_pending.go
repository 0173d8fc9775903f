package policy

// The words about actions, effects, typed data and texts.
func actionWords() []word { return nil }
func effectWords() []word { return nil }
func typedWords() []word  { return nil }
func textWords() []word   { return nil }
