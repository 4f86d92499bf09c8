package main

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/config"
)

// settings are the flags of a command that are settings: --config, and those of
// config's table that the command uses.
type settings struct {
	File  string       `name:"config" placeholder:"FILE" help:"YAML file of settings."`
	Flags kong.Plugins `embed:""`

	keys []string // the setting of each field of the struct in Flags
}

// newSettings makes the flags of the settings named; of all where none is named.
func newSettings(keys ...string) settings {
	var fields []reflect.StructField
	var used []string
	for _, s := range config.Default().Settings() {
		if len(keys) > 0 && !slices.Contains(keys, s.Key) {
			continue
		}
		fields = append(fields, reflect.StructField{
			Name: fmt.Sprintf("Flag%d", len(fields)), Type: flagType(&s), Tag: reflect.StructTag(flagTag(&s)),
		})
		used = append(used, s.Key)
	}
	return settings{Flags: kong.Plugins{reflect.New(reflect.StructOf(fields)).Interface()}, keys: used}
}

// flagType is what kong reads a flag into; nil where it was not given.
func flagType(s *config.Setting) reflect.Type {
	switch {
	case s.Boolean:
		return reflect.TypeFor[*bool]()
	case s.List:
		return reflect.TypeFor[[]string]()
	}
	return reflect.TypeFor[*string]()
}

func flagTag(s *config.Setting) string {
	placeholder := s.Text()
	if placeholder == `""` || s.List {
		placeholder = s.Form
	}
	help := strings.ToUpper(s.Help[:1]) + s.Help[1:]
	if strings.Contains(s.Form, "|") && !s.Boolean {
		help += ": " + strings.ReplaceAll(s.Form, "|", ", ")
	}
	help += "."
	tag := fmt.Sprintf("name:%q help:%s placeholder:%q", s.Flag(), strconv.Quote(help), placeholder)
	switch {
	case s.Boolean:
		tag += ` negatable:""`
	case s.List:
		tag += ` sep:"none"`
	}
	if s.Limit() {
		tag += fmt.Sprintf(` group:"Limits:" aliases:%q`, "limits-"+s.Flag())
	}
	return tag
}

// load reads the configuration with these flags; an error is the caller's.
func (s *settings) load(p *program) (*config.Config, error) {
	c, err := config.Load(config.Input{File: s.File, Env: p.env, Flags: s.given()})
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

func (s *settings) given() map[string][]string {
	flags := map[string][]string{}
	fields := reflect.ValueOf(s.Flags[0]).Elem()
	for i, key := range s.keys {
		switch v := fields.Field(i).Interface().(type) {
		case *bool:
			if v != nil {
				flags[key] = []string{strconv.FormatBool(*v)}
			}
		case *string:
			if v != nil {
				flags[key] = []string{*v}
			}
		case []string:
			if v != nil {
				flags[key] = v
			}
		}
	}
	return flags
}

// parseScopes reads the scopes of --scope; none is nil.
func parseScopes(texts []string) ([]parley.Scope, error) {
	var scopes []parley.Scope
	for _, text := range texts {
		s, ok := parley.ParseScope(text)
		if !ok {
			return nil, usageError{fmt.Errorf("--scope: there is no scope %q; there are %v", text, parley.KnownScopes)}
		}
		scopes = append(scopes, s)
	}
	return scopes, nil
}

// variable returns a variable of the environment; empty where there is none.
func (p *program) variable(name string) string {
	for _, pair := range slices.Backward(p.env) {
		if text, ok := strings.CutPrefix(pair, name+"="); ok {
			return text
		}
	}
	return ""
}
