package emulator

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// pageSize is the service's: also the most that maxresults may ask for.
const pageSize = 25

// list is GET /keys: the current version of each key, without public keys,
// sorted by name.
func (s *Server) list(c *call, fault *Fault) (any, error) {
	v := c.target.vault
	v.mu.RLock()
	defer v.mu.RUnlock()
	return s.page(c, fault, v.names, func(name string) keyItem {
		k := v.keys[name]
		return c.item(k, k.current(), "")
	})
}

// versions is GET /keys/NAME/versions: sorted by version id, not by time.
func (s *Server) versions(c *call, fault *Fault) (any, error) {
	v := c.target.vault
	v.mu.RLock()
	defer v.mu.RUnlock()
	k := v.keys[lower(c.name)]
	if k == nil {
		return nil, keyNotFound(c)
	}
	byID := make(map[string]*version, len(k.versions))
	ids := make([]string, 0, len(k.versions))
	for _, ver := range k.versions {
		byID[ver.id] = ver
		ids = append(ids, ver.id)
	}
	slices.Sort(ids)
	return s.page(c, fault, ids, func(id string) keyItem { return c.item(k, byID[id], id) })
}

func (c *call) item(k *key, v *version, versionID string) keyItem {
	return keyItem{
		KID:        c.keyID(k.name, versionID),
		Attributes: v.attributes(c.target.vault.flavor, k.managed),
		Tags:       v.tags,
		Managed:    k.managed,
	}
}

// skipToken says where a page begins. The service's is opaque base64url JSON, too.
type skipToken struct {
	Next string `json:"NextMarker"`
}

// page answers with the items that the request asks for out of ids, which are sorted.
func (s *Server) page(c *call, fault *Fault, ids []string, item func(id string) keyItem) (any, error) {
	size := pageSize
	if text := c.query.Get("maxresults"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > pageSize {
			return nil, badParameter("The value of maxresults must be between 1 and %d.", pageSize)
		}
		size = n
	}
	first := ""
	if text := c.query.Get("$skiptoken"); text != "" {
		var token skipToken
		b, err := decode(text)
		if err != nil || json.Unmarshal(b, &token) != nil || len(token.Next) > 127 {
			return nil, badParameter("The $skiptoken is not valid.")
		}
		first = token.Next
	}
	from, _ := slices.BinarySearch(ids, first)
	to := min(from+size, len(ids))
	next := ""
	switch {
	case fault.is(FaultEmptyPage):
		if from < len(ids) {
			to, next = from, ids[from]
		}
	case to < len(ids):
		next = ids[to]
	}
	items := make([]keyItem, 0, to-from)
	for _, id := range ids[from:to] {
		items = append(items, item(id))
	}
	reply := map[string]any{"value": items}
	switch {
	case fault.is(FaultForeignNextLink):
		reply["nextLink"] = "https://" + ForeignHost + "/keys?api-version=" + url.QueryEscape(c.query.Get("api-version"))
	case next != "":
		link, err := c.nextLink(next)
		if err != nil {
			return nil, err
		}
		reply["nextLink"] = link
	case c.target.vault.flavor == KeyVault:
		reply["nextLink"] = nil // Managed HSM leaves it out
	}
	return reply, nil
}

// nextLink has an explicit port 443, as the service's links do, unless the
// caller came by a port already.
func (c *call) nextLink(next string) (string, error) {
	token, err := json.Marshal(skipToken{next})
	if err != nil {
		return "", err
	}
	base := c.target.base
	if c.target.genuine && strings.Count(base, ":") == 1 {
		base += ":443"
	}
	path := "/keys"
	switch c.op {
	case OpVersions:
		path += "/" + c.name + "/versions"
	case OpDeletedList:
		path = "/deletedkeys"
	}
	link := base + path + "?api-version=" + url.QueryEscape(c.query.Get("api-version")) + "&$skiptoken=" + encode(token)
	if n := c.query.Get("maxresults"); n != "" {
		link += "&maxresults=" + n
	}
	return link, nil
}

func lower(name string) string { return strings.ToLower(name) }
