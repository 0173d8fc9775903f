package policydiff

// Direction is whether a change lets a policy allow more.
type Direction int8

// The directions. The zero direction is of what can't be compared.
const (
	Changed  Direction = iota // it may allow more, and less
	Wider                     // it allows what was not allowed
	Narrower                  // it allows less
	Neutral                   // it decides nothing
)

// String is the direction as a word.
func (d Direction) String() string {
	switch d {
	case Wider:
		return "wider"
	case Narrower:
		return "narrower"
	case Neutral:
		return "neutral"
	default:
		return "changed"
	}
}

// MarshalText is the direction as a word.
func (d Direction) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// opposite is the direction of the change the other way.
func (d Direction) opposite() Direction {
	switch d {
	case Wider:
		return Narrower
	case Narrower:
		return Wider
	default:
		return d
	}
}

// rank is the place of a change among others: what must be looked at comes first.
func (d Direction) rank() int {
	switch d {
	case Wider:
		return 0
	case Changed:
		return 1
	case Narrower:
		return 2
	default:
		return 3
	}
}
