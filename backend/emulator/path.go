package emulator

import (
	"net/http"
	"regexp"
	"strings"
)

var (
	keyName    = regexp.MustCompile(`^[0-9a-zA-Z-]{1,127}$`)
	keyVersion = regexp.MustCompile(`^[0-9a-fA-F]{32}$`)
)

// route is what a method and a path ask for.
type route struct {
	op            Op
	name, version string
	err           error // the path names something that cannot be
}

// parsePath understands /keys/NAME[/VERSION][/VERB] and /deletedkeys/NAME[/recover].
// A trailing slash stands for an empty version, which is the current one.
func parsePath(method, path string) route {
	segments := strings.Split(strings.Trim(path, "/"), "/")
	if len(segments) > 4 {
		return route{op: OpUnsupported}
	}
	r := route{op: OpUnsupported}
	switch segments[0] {
	case "keys":
		r = keysPath(method, segments[1:])
	case "deletedkeys":
		r = deletedPath(method, segments[1:])
	}
	if r.op == OpUnsupported {
		return r
	}
	if r.name != "" && !keyName.MatchString(r.name) {
		return route{op: r.op, err: badParameter("The request URI contains an invalid name: %s", bounded(r.name))}
	}
	if r.version != "" && !keyVersion.MatchString(r.version) {
		return route{op: r.op, name: r.name, err: badParameter("The request URI contains an invalid version: %s", bounded(r.version))}
	}
	r.version = strings.ToLower(r.version)
	return r
}

func keysPath(method string, rest []string) route {
	switch len(rest) {
	case 0:
		return route{op: byMethod(method, methods{http.MethodGet: OpList})}
	case 1:
		return route{name: rest[0], op: byMethod(method, methods{
			http.MethodGet: OpGet, http.MethodPut: OpImport, http.MethodPatch: OpUpdate, http.MethodDelete: OpDelete,
		})}
	case 2:
		switch rest[1] {
		case "create":
			return route{name: rest[0], op: byMethod(method, methods{http.MethodPost: OpCreate})}
		case "versions":
			return route{name: rest[0], op: byMethod(method, methods{http.MethodGet: OpVersions})}
		case "rotate":
			return route{name: rest[0], op: byMethod(method, methods{http.MethodPost: OpRotate})}
		case "rotationpolicy":
			return route{name: rest[0], op: byMethod(method, methods{http.MethodGet: OpRotationPolicy, http.MethodPut: OpSetRotationPolicy})}
		case "sign", "verify":
			return useRoute(method, rest[0], "", rest[1])
		case "backup", "encrypt", "decrypt", "wrapkey", "unwrapkey", "release":
			return route{op: OpUnsupported}
		}
		return route{name: rest[0], version: rest[1], op: byMethod(method, methods{http.MethodGet: OpGet, http.MethodPatch: OpUpdate})}
	}
	return useRoute(method, rest[0], rest[1], rest[2])
}

func useRoute(method, name, version, verb string) route {
	r := route{name: name, version: version, op: OpUnsupported}
	switch verb {
	case "sign":
		r.op = byMethod(method, methods{http.MethodPost: OpSign})
	case "verify":
		r.op = byMethod(method, methods{http.MethodPost: OpVerify})
	}
	return r
}

func deletedPath(method string, rest []string) route {
	switch {
	case len(rest) == 0:
		return route{op: byMethod(method, methods{http.MethodGet: OpDeletedList})}
	case len(rest) == 1:
		return route{name: rest[0], op: byMethod(method, methods{http.MethodGet: OpDeletedGet, http.MethodDelete: OpPurge})}
	case len(rest) == 2 && rest[1] == "recover":
		return route{name: rest[0], op: byMethod(method, methods{http.MethodPost: OpRecover})}
	}
	return route{op: OpUnsupported}
}

type methods map[string]Op

func byMethod(method string, ops methods) Op {
	if op, ok := ops[method]; ok {
		return op
	}
	return OpUnsupported
}
