package subject

import "slices"

// Permissions are the NATS subjects that a user may publish to and subscribe to. All
// else is refused.
type Permissions struct {
	Publish, Subscribe []string
}

// InboxPrefix begins the subjects at which a user's answers arrive. Each user has its own,
// so nobody reads another's answers.
func InboxPrefix(user string) string { return "_INBOX_" + user }

// jsAPI begins the subjects of JetStream's API.
const jsAPI = "$JS.API."

// Allowed are the permissions of a user, from Rules and Stores.
func Allowed(user string) Permissions {
	p := &permissions{user: user, roles: []string{user}}
	if user == Serve {
		p.roles = Services()
	}
	p.sub(InboxPrefix(user) + ".>")
	p.pub(jsAPI + "INFO")
	for _, r := range Rules() {
		p.rule(r)
	}
	if p.isService() {
		p.pub("_INBOX.>") // who asks with the usual tools ("nats micro ls") gets an answer; none of ours listens there
		for _, name := range p.micros() {
			p.sub("$SRV.*", "$SRV.*."+name, "$SRV.*."+name+".*")
		}
	}
	if user == Tools {
		p.pub("$SRV.>") // "nats micro ls" asks what services there are, and how they do
		p.sub("_INBOX.>")
	}
	if p.has([]string{Pairing}) {
		p.pub(jsAPI+"STREAM.CREATE.*", jsAPI+"STREAM.UPDATE.*", jsAPI+"STREAM.INFO.*")
	}
	for _, s := range Stores() {
		p.store(s)
	}
	return p.sorted()
}

// micros are the names under which the roles announce themselves to the usual tools
// (NATS's services protocol): their own, and those of works that one instance does for all.
func (p *permissions) micros() []string {
	names := slices.Clone(p.roles)
	if p.has([]string{Stream}) {
		names = append(names, Stream+"-director", Stream+"-scheduler")
	}
	return names
}

type permissions struct {
	Permissions
	user  string
	roles []string // the services that run under this user
}

func (p *permissions) pub(subjects ...string) { p.Publish = append(p.Publish, subjects...) }
func (p *permissions) sub(subjects ...string) { p.Subscribe = append(p.Subscribe, subjects...) }

func (p *permissions) isService() bool { return p.user != Tools }

// has tells whether one of names runs under this user.
func (p *permissions) has(names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(p.roles, n) })
}

func (p *permissions) rule(r Rule) {
	if p.has(r.From) {
		p.pub(r.Pattern)
	}
	if !p.has(r.To) {
		return
	}
	p.sub(r.Pattern)
	if r.Request {
		p.answers(r.From...)
	}
}

// answers lets the user reply to those, wherever they run.
func (p *permissions) answers(to ...string) {
	for _, name := range append(to, Serve) {
		p.pub(InboxPrefix(name) + ".>")
	}
}

func (p *permissions) store(s Store) {
	prefix, stream := "", s.Name
	switch s.Kind {
	case KindBucket:
		prefix, stream = "$KV."+s.Name+".", "KV_"+s.Name
	case KindObjects:
		prefix, stream = "$O."+s.Name+".", "OBJ_"+s.Name
	}
	kept := s.Kind == KindBucket && slices.Contains(KeptBuckets(), s.Name)
	reads := p.user == Tools && kept || p.user == Tools && s.Name == BucketLeases
	if p.user == Tools && kept {
		p.pub(prefix+">", jsAPI+"STREAM.CREATE."+stream) // a restore fills what a backup holds
	}
	for _, role := range p.roles {
		keys, writes := s.Writers[role]
		for _, k := range keys {
			p.pub(prefix + k)
		}
		if s.Kind == KindObjects && writes {
			p.pub(prefix+">", jsAPI+"STREAM.PURGE."+stream)
		}
		filters, reader := s.Readers[role]
		if len(filters) > 0 {
			p.readSome(stream, filters)
			continue
		}
		reads = reads || writes || reader
	}
	if reads {
		p.readAll(stream)
	}
}

// readAll lets the user read a whole stream.
func (p *permissions) readAll(stream string) {
	p.follow(stream)
	p.pub(jsAPI+"CONSUMER.CREATE."+stream+".>", jsAPI+"STREAM.MSG.GET."+stream,
		jsAPI+"DIRECT.GET."+stream, jsAPI+"DIRECT.GET."+stream+".>")
}

// readSome lets the user read some subjects of a stream, by consumers that name one.
func (p *permissions) readSome(stream string, filters []string) {
	p.follow(stream)
	for _, f := range filters {
		p.pub(jsAPI + "CONSUMER.CREATE." + stream + ".*." + f)
	}
}

func (p *permissions) follow(stream string) {
	p.pub(jsAPI+"STREAM.INFO."+stream, jsAPI+"CONSUMER.MSG.NEXT."+stream+".*",
		jsAPI+"CONSUMER.INFO."+stream+".*", jsAPI+"CONSUMER.DELETE."+stream+".*")
}

func (p *permissions) sorted() Permissions {
	for _, l := range []*[]string{&p.Publish, &p.Subscribe} {
		slices.Sort(*l)
		*l = slices.Compact(*l)
	}
	return p.Permissions
}
