package policysuggest

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/rules/calldata"
)

// Bounds of the places of a call or a message that a rule is about.
const (
	maxPlaces = 16
	maxDepth  = 8
)

// within is the part of a path that leads to each element of an array.
const within = "[]"

// placesOf returns where the addresses are among the arguments of a method, such as
// 0, 1.3 or 2[].0. It is false if there are more than a rule is about.
func placesOf(signature string) (places []string, ok bool) {
	method, err := calldata.Parse(signature)
	if err != nil {
		return nil, false
	}
	for i := range method.Inputs {
		places = argumentPlaces(places, strconv.Itoa(i), &method.Inputs[i].Type)
	}
	return places, len(places) <= maxPlaces
}

func argumentPlaces(places []string, path string, of *abi.Type) []string {
	switch of.T {
	case abi.AddressTy:
		return append(places, path)
	case abi.SliceTy, abi.ArrayTy:
		return argumentPlaces(places, path+within, of.Elem)
	case abi.TupleTy:
		for i, elem := range of.TupleElems {
			places = argumentPlaces(places, path+"."+strconv.Itoa(i), elem)
		}
	}
	return places
}

// document finds where the addresses are in typed data, by its types.
type document struct {
	types  apitypes.Types
	places []string
	lost   bool // there are more than a rule is about, or some that no path leads to
}

// membersOf returns the paths of the addresses in a document, in order. It is false
// if a rule can't name all of them.
func membersOf(data *apitypes.TypedData) (places []string, ok bool) {
	d := &document{types: data.Types}
	d.walk("", data.PrimaryType, 0)
	slices.Sort(d.places)
	return d.places, !d.lost
}

func (d *document) walk(path, kind string, depth int) {
	if d.lost = d.lost || depth > maxDepth || len(d.places) > maxPlaces; d.lost {
		return
	}
	if i := strings.LastIndexByte(kind, '['); i > 0 {
		d.walk(path+within, kind[:i], depth+1)
		return
	}
	if kind == "address" {
		d.places = append(d.places, path)
		return
	}
	for _, field := range d.types[kind] {
		before := len(d.places)
		name := field.Name
		if path != "" {
			name = path + "." + name
		}
		d.walk(name, field.Type, depth+1)
		d.lost = d.lost || len(d.places) > before && !memberForm(field.Name)
	}
}

// memberForm tells whether the name of a member may be part of a path in a policy.
func memberForm(name string) bool {
	return name != "" && len(name) <= 64 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$") == "" && name[0] > '9'
}

// addressesAt returns the addresses that a path leads to.
func addressesAt(value any, path string) []common.Address {
	if address, ok := value.(common.Address); ok && path == "" {
		return []common.Address{address}
	}
	v := reflect.ValueOf(value)
	if rest, each := strings.CutPrefix(path, within); each {
		if v.Kind() != reflect.Slice && v.Kind() != reflect.Array {
			return nil
		}
		var all []common.Address
		for i := range v.Len() {
			all = append(all, addressesAt(v.Index(i).Interface(), rest)...)
		}
		return all
	}
	path = strings.TrimPrefix(path, ".")
	end := strings.IndexAny(path, ".[")
	if end < 0 {
		end = len(path)
	}
	if found, ok := memberAt(v, path[:end]); ok {
		return addressesAt(found, path[end:])
	}
	return nil
}

// memberAt returns a member of a struct by its name, or of a tuple or of arguments
// by its place.
func memberAt(v reflect.Value, name string) (any, bool) {
	i, err := strconv.Atoi(name)
	switch members, named := reflect.Value.Interface, v.Kind() == reflect.Map; {
	case !v.IsValid():
		return nil, false
	case named:
		found := v.MapIndex(reflect.ValueOf(name))
		if !found.IsValid() {
			return nil, false
		}
		return members(found), true
	case v.Kind() == reflect.Struct && err == nil && i < v.NumField():
		return members(v.Field(i)), true
	case v.Kind() == reflect.Slice && err == nil && i < v.Len():
		return members(v.Index(i)), true
	default:
		return nil, false
	}
}

// visit notes the addresses that are at some places of a value.
func (c *collector) visit(g *group, found map[string]*addresses, value any, places []string) {
	for _, place := range places {
		if found[place] == nil {
			found[place] = &addresses{}
		}
		for _, address := range addressesAt(value, place) {
			c.note(g, found[place], address)
		}
	}
}

// comparisons writes what the addresses at some places may be, and names those
// places that are left open.
func (r *ruling) comparisons(role string, of map[string]*addresses) (text string, open []string) {
	var parts []string
	arrays := make(map[string]map[string]*addresses)
	for _, path := range slices.Sorted(maps.Keys(of)) {
		head, rest, array := strings.Cut(path, within)
		switch {
		case !array && of[path].many:
			open = append(open, path)
		case !array:
			value, _ := r.addressValue(role+"-"+path, of[path], "addresses")
			parts = append(parts, strconv.Quote(path)+": "+value)
		default:
			if arrays[head] == nil {
				arrays[head] = make(map[string]*addresses)
			}
			arrays[head][rest] = of[path]
		}
	}
	for _, head := range slices.Sorted(maps.Keys(arrays)) {
		if slices.ContainsFunc(slices.Collect(maps.Values(arrays[head])), func(set *addresses) bool { return set.many }) {
			open = append(open, head)
			continue
		}
		parts = append(parts, strconv.Quote(head)+": "+r.elements(role+"-"+head, arrays[head]))
	}
	slices.Sort(parts)
	if len(parts) == 0 {
		return "", open
	}
	return "{" + strings.Join(parts, ", ") + "}", open
}

// elements writes what each element of an array may be.
func (r *ruling) elements(role string, of map[string]*addresses) string {
	members, deeper := make(map[string]*addresses), make(map[string]*addresses)
	empty := true
	for path, set := range of {
		empty = empty && len(set.seen) == 0
		if rest, is := strings.CutPrefix(path, within); is {
			deeper[rest] = set
		} else if path != "" {
			members[strings.TrimPrefix(path, ".")] = set
		}
	}
	switch {
	case empty:
		return "{length_max: 0}"
	case len(deeper) > 0:
		return "{all: " + r.elements(role, deeper) + "}"
	case len(members) > 0:
		text, _ := r.comparisons(role, members)
		return "{all: {member: " + text + "}}"
	default:
		value, _ := r.addressValue(role, of[""], "addresses")
		return "{all: " + value + "}"
	}
}
