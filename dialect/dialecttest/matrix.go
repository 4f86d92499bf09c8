package dialecttest

import (
	"fmt"
	"strings"

	"github.com/parley-chat/parley"
)

// Matrix is the reference page of the spellings: every type of event, and what
// each surface calls it. missing lists the pairs of type and dialect that the
// dialect's names.go says nothing about; the page is complete only where it is
// empty.
func Matrix(dialects []parley.Dialect) (page string, missing []string) {
	var b strings.Builder
	b.WriteString(`# Events, surface by surface

What each surface calls an event. One fact is told on every surface that has a
name for it; a dash means that the surface is silent about it. The first columns
are how long the event is kept and whom it concerns.

This page is made from the dialects' spelling tables by the tests of
` + "`dialect/dialecttest`" + `; ` + "`go test ./dialect/dialecttest -update`" + ` writes it anew.

`)
	header, rule := "| event | kept | concerns |", "|---|---|---|"
	names := make([]map[parley.EventType]string, len(dialects))
	for i, d := range dialects {
		header, rule = header+" "+d.Name()+" |", rule+"---|"
		if n, ok := d.(Namer); ok {
			names[i] = n.Names()
		}
	}
	b.WriteString(header + "\n" + rule + "\n")
	row := func(t parley.EventType, title, kept, concerns string) {
		fmt.Fprintf(&b, "| %s | %s | %s |", title, kept, concerns)
		for i, d := range dialects {
			name, ok := names[i][t]
			if !ok && t != AnyCustom {
				missing = append(missing, fmt.Sprintf("%s × %s", t, d.Name()))
			}
			if name == "" {
				b.WriteString(" – |")
			} else {
				b.WriteString(" `" + name + "` |")
			}
		}
		b.WriteByte('\n')
	}
	for _, spec := range parley.EventSpecs() {
		row(spec.Type, "`"+string(spec.Type)+"`", kept(spec.Class), concerns(spec.Scope))
	}
	row(AnyCustom, "any other type", "durable, or ephemeral where the configuration says so", concerns(parley.ChannelScope))
	b.WriteString("\n## What they mean\n\n| event | channel | meaning |\n|---|---|---|\n")
	for _, spec := range parley.EventSpecs() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", spec.Type, spec.Channel, spec.Doc)
	}
	return b.String(), missing
}

func kept(c parley.Class) string {
	switch c {
	case parley.Durable:
		return "durable"
	case parley.RunLogged:
		return "for the run's life"
	}
	return "ephemeral"
}

func concerns(s parley.ScopeKind) string {
	switch s {
	case parley.ConversationScope:
		return "a conversation's members"
	case parley.PrincipalScope:
		return "the principals named"
	}
	return "a channel's listeners"
}
