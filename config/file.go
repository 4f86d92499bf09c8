package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// parseFile reads the settings of a YAML file in the order they are written, each
// with its place. Keys that are written twice, anchors and tags are errors;
// whether a key exists is Load's question.
func parseFile(name string, text []byte) ([]given, error) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		var syntax *yaml.SyntaxError
		if errors.As(err, &syntax) && syntax.Token != nil {
			return nil, fmt.Errorf("%s:%d: not valid YAML: %s", name, syntax.Token.Position.Line, syntax.Message)
		}
		return nil, fmt.Errorf("%s: not valid YAML", name)
	}
	r := reader{name: name}
	switch {
	case len(file.Docs) > 1:
		return nil, fmt.Errorf("%s: holds more than one document", name)
	case len(file.Docs) == 1 && file.Docs[0].Body != nil:
		if err := r.read("", file.Docs[0].Body); err != nil {
			return nil, err
		}
	}
	return r.all, nil
}

type reader struct {
	name string
	all  []given
}

func (r *reader) read(key string, node ast.Node) error {
	switch n := node.(type) {
	case *ast.MappingNode:
		return r.readMapping(key, n.Values)
	case *ast.MappingValueNode:
		return r.readMapping(key, []*ast.MappingValueNode{n})
	case *ast.CommentGroupNode:
		return nil
	}
	source := r.place(node)
	if key == "" {
		return fmt.Errorf("%s: not settings, written key: value", source)
	}
	texts, err := textsOf(node)
	if err != nil {
		return fmt.Errorf("%s: %w (from %s)", key, err, source)
	}
	r.all = append(r.all, given{key, texts, source})
	return nil
}

func (r *reader) readMapping(prefix string, values []*ast.MappingValueNode) error {
	for _, v := range values {
		name, ok := v.Key.(*ast.StringNode)
		if !ok {
			return fmt.Errorf("%s: a key is not a plain word", r.place(v.Key))
		}
		key := name.Value
		if prefix != "" {
			key = prefix + "." + key
		}
		if err := r.read(key, v.Value); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) place(n ast.Node) string {
	return fmt.Sprintf("%s:%d", r.name, n.GetToken().Position.Line)
}

// textsOf is the text of a scalar, or those of a list.
func textsOf(node ast.Node) ([]string, error) {
	seq, ok := node.(*ast.SequenceNode)
	if !ok {
		text, err := textOf(node)
		return []string{text}, err
	}
	texts := []string{}
	for _, element := range seq.Values {
		text, err := elementOf(element)
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, nil
}

// elementOf is the text of a list's element; one that is a mapping is spelled as
// on the command line, "issuer=…,secret_file=…".
func elementOf(node ast.Node) (string, error) {
	var values []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		return textOf(node)
	}
	pairs := make([]string, len(values))
	for i, v := range values {
		text, err := textOf(v.Value)
		if err != nil {
			return "", err
		}
		if strings.Contains(text, ",") {
			return "", errors.New("a value must not hold a comma")
		}
		pairs[i] = v.Key.GetToken().Value + "=" + text
	}
	return strings.Join(pairs, ","), nil
}

// textOf is a scalar as it was written: 30s, 64KiB, 10 and true are all texts to
// their settings.
func textOf(node ast.Node) (string, error) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return strings.TrimSpace(n.Value.Value), nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return node.GetToken().Value, nil
	case *ast.NullNode:
		return "", errors.New("it has no value")
	}
	return "", errors.New("it is not a plain value")
}
