package parley_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const modulePath = "github.com/parley-chat/parley"

// rule is what the packages of a folder may import besides the standard library.
// Every folder but the root itself may also import the root and internal/….
type rule struct {
	// folder is a folder of the module, or "x/..." for it and all below it.
	folder string
	// may lists folders of the module in the same way.
	may []string
	// modules lists the other modules, by prefix; anyModule where the folder is
	// about technology.
	modules []string
	why     string
}

var anyModule = []string{""}

// core is the domain: it decides, and reaches the world only through the ports of
// the root package.
var core = []string{"engine", "relay", "hub", "conn", "agent", "directory"}

// rules is the dependency rule (docs/decisions/0002): cmd → app → adapters → core →
// root → standard library. The first row that fits a folder counts; a new folder
// needs a row.
var rules = []rule{
	{
		folder: ".",
		why:    "the root is the vocabulary and the ports; whatever it imported, everybody would",
	},

	{
		folder: "dialect/dialecttest",
		why:    "one suite for all dialects must not know any of them",
	},
	{
		folder: "dialect/...",
		why:    "a dialect is a pure codec: with the root and the helpers alone it can do no I/O, and none depends on how another spells",
	},

	{
		folder:  "engine",
		modules: []string{"golang.org/x/time/rate"},
		why:     "the engine decides what may happen; who hears it is the hub's affair, and a node hears its own events over the relay and the bus like any other",
	},
	{
		folder: "relay",
		why:    "the relay knows the store and the bus by their ports only",
	},
	{
		folder: "hub",
		may:    []string{"relay"},
		why:    "the hub reads from the bus what the relay wrote, so the wire form stays in one package; it asks nothing of the engine",
	},
	{
		folder:  "conn",
		may:     []string{"hub", "dialect/sniff"},
		modules: []string{"github.com/gobwas/ws"},
		why:     "a conn is a hub's listener on a socket; sniff tells by a first frame which tongue /ws was opened in, before there is a dialect to ask",
	},
	{
		folder: "presence",
		why:    "presence is told of Conns and tells by the bus: it knows neither conns nor hub, and everything else by its port",
	},
	{
		folder:  "directory",
		modules: []string{"golang.org/x/crypto/argon2"},
		why:     "the directory decides who may sign in; requests, tokens and tables are others' affair",
	},
	{
		folder: "agent",
		may:    []string{"engine", "relay"},
		why:    "an agent posts through the engine like anybody else, and hears on the bus what the relay wrote",
	},
	{
		folder: "agent/...",
		may:    []string{"agent"},
		why:    "who gives answers implements agent's interface and reaches nothing behind it",
	},

	{
		folder: "store/storetest", modules: anyModule,
		why: "one suite for all stores must not know any of them",
	},
	{
		folder: "bus/bustest", modules: anyModule,
		why: "one suite for all buses must not know any of them",
	},
	{
		folder: "store/...", modules: anyModule,
		why: "adapters never import one another: a store is replaced without touching anything else",
	},
	{
		folder: "bus/...", modules: anyModule,
		why: "adapters never import one another: a bus is replaced without touching anything else",
	},
	{
		folder: "blob/blobtest", modules: anyModule,
		why: "one suite for all that keeps files must not know any of them",
	},
	{
		folder: "blob/...", modules: anyModule,
		why: "adapters never import one another: where files lie is replaced without touching anything else",
	},
	{
		folder: "auth", modules: anyModule,
		why: "adapters never import one another: auth knows the store by its port",
	},
	{
		folder: "config", modules: anyModule,
		why: "settings are values; app turns them into parts, so that no part needs this package",
	},
	{
		folder: "httpd", may: core, modules: anyModule,
		why: "adapters never import one another: the doors know who speaks and what is kept by ports",
	},

	{
		folder: "app",
		may: []string{
			"engine", "relay", "hub", "conn", "presence", "directory", "agent/...", "dialect/...",
			"store/...", "bus/...", "blob/...", "auth", "config", "httpd",
		},
		modules: anyModule,
		why:     "app puts the parts together and is the only one that imports adapters",
	},
	{
		folder: "cmd/...", may: []string{"app", "auth", "config", "bench/..."}, modules: anyModule,
		why: "a command starts an app; without one it reads settings (config), makes credentials (auth) and measures (bench)",
	},

	{
		folder: "tests/...", may: []string{"app", "auth", "config"}, modules: anyModule,
		why: "black-box tests see what a stranger sees; they may start an app instead of the binary",
	},
	{
		folder: "bench/...", may: []string{"app", "auth", "config", "bench/..."}, modules: anyModule,
		why: "a benchmark measures the whole server; the parts have their own beside their code",
	},
	{
		folder: "internal/...", may: []string{"internal/..."}, modules: anyModule,
		why: "helpers have no domain: whoever imports one must not get a part with it",
	},
}

// A test may hold its package against the real neighbours, so it may import any
// part of the module but the assembled whole.
var (
	testMayNot  = []string{"app", "cmd/..."}
	testReason  = "a package whose tests need the whole app cannot be tested by itself"
	skipFolders = []string{"testdata", "node_modules", "vendor"}
)

// goFile is one file of the module: its slash-separated path and what it imports.
type goFile struct {
	path    string
	imports []string
}

func TestDependencyRule(t *testing.T) {
	files, err := goFiles(".")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 100 {
		t.Fatalf("found %d Go files; the walk misses most of the module", len(files))
	}
	for _, f := range files {
		for _, broken := range breaches(f) {
			t.Error(broken)
		}
	}
}

func TestDependencyRuleNoticesABreach(t *testing.T) {
	root, mod := modulePath, func(folder string) string { return modulePath + "/" + folder }
	for _, c := range []struct {
		name, file, imports string
		allowed             bool
	}{
		{"the root may import the standard library", "event.go", "encoding/json", true},
		{"the root imports no other module", "event.go", "github.com/google/uuid", false},
		{"the root imports no helper", "event.go", mod("internal/jsonw"), false},
		{"a test of the root may use another module", "event_test.go", "pgregory.net/rapid", true},
		{"a dialect may import the root", "dialect/bot/codec.go", root, true},
		{"a dialect may import a helper", "dialect/bot/codec.go", mod("internal/jsonw"), true},
		{"a dialect imports no other module", "dialect/bot/codec.go", "github.com/gobwas/ws", false},
		{"a dialect imports no other dialect", "dialect/bot/codec.go", mod("dialect/chat"), false},
		{"the engine may import its limiter", "engine/limit.go", "golang.org/x/time/rate", true},
		{"the engine never imports the hub", "engine/engine.go", mod("hub"), false},
		{"the engine imports no store", "engine/engine.go", mod("store/sqlite"), false},
		{"a test of the engine may use a store", "engine/engine_test.go", mod("store/sqlite"), true},
		{"a test of the engine does not use the app", "engine/engine_test.go", mod("app"), false},
		{"the hub may import the relay's wire form", "hub/feed.go", mod("relay"), true},
		{"the hub imports no engine", "hub/feed.go", mod("engine"), false},
		{"a conn may import the sniffer", "conn/server.go", mod("dialect/sniff"), true},
		{"a conn imports no dialect", "conn/server.go", mod("dialect/bot"), false},
		{"a store imports no other store", "store/postgres/log.go", mod("store/sqlite"), false},
		{"a store may use a driver", "store/postgres/log.go", "github.com/jackc/pgx/v5", true},
		{"auth imports no store", "auth/keys.go", mod("store/sqlite"), false},
		{"the doors may import the engine", "httpd/routes.go", mod("engine"), true},
		{"the doors do not import auth", "httpd/routes.go", mod("auth"), false},
		{"app may import every adapter", "app/wire.go", mod("bus/natsbus"), true},
		{"app does not import a command", "app/wire.go", mod("cmd/parley"), false},
		{"a command may import app", "cmd/parley/serve.go", mod("app"), true},
		{"a command imports no adapter that app assembles", "cmd/parley/serve.go", mod("store/sqlite"), false},
		{"a helper imports no part", "internal/membus/membus.go", mod("relay"), false},
		{"a test of a store may use its suite", "store/sqlite/sqlite_test.go", mod("store/storetest"), true},
		{"a black-box test may start an app", "tests/kill_test.go", mod("app"), true},
		{"a folder without a row is noticed", "util/strings.go", "strings", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			broken := breaches(goFile{c.file, []string{c.imports}})
			switch {
			case c.allowed && len(broken) > 0:
				t.Error(broken)
			case !c.allowed && len(broken) != 1:
				t.Fatalf("got %q; want one breach", broken)
			case !c.allowed && !strings.HasPrefix(broken[0], c.file+": "):
				t.Errorf("%q does not name the file", broken[0])
			}
		})
	}
}

// breaches says, one sentence each, what a file imports against the rules.
func breaches(f goFile) []string {
	folder := path.Dir(f.path)
	at := slices.IndexFunc(rules, func(r rule) bool { return within(r.folder, folder) })
	if at < 0 {
		return []string{fmt.Sprintf("%s: the folder %s has no row in deps_test.go: say what it may import, and why", f.path, folder)}
	}
	r, test := rules[at], strings.HasSuffix(f.path, "_test.go")
	var out []string
	for _, imported := range f.imports {
		switch {
		case r.allows(folder, imported):
		case !test:
			out = append(out, fmt.Sprintf("%s: imports %s; %s may not: %s", f.path, imported, folder, r.why))
		case !testAllows(imported):
			out = append(out, fmt.Sprintf("%s: imports %s; a test of %s may not: %s", f.path, imported, folder, testReason))
		}
	}
	return out
}

// allows reports whether a package of the folder, to which the rule applies, may
// import another.
func (r rule) allows(folder, imported string) bool {
	target, ours := inModule(imported)
	switch {
	case !ours && standard(imported):
		return true
	case !ours:
		return slices.ContainsFunc(r.modules, func(prefix string) bool { return strings.HasPrefix(imported, prefix) })
	case folder == ".":
		return false
	case target == "." || target == folder || within("internal/...", target):
		return true
	}
	return withinAny(r.may, target)
}

func testAllows(imported string) bool {
	target, ours := inModule(imported)
	return !ours || !withinAny(testMayNot, target)
}

// inModule returns the folder of a package of this module, "." for the root.
func inModule(imported string) (folder string, ok bool) {
	if imported == modulePath {
		return ".", true
	}
	return strings.CutPrefix(imported, modulePath+"/")
}

// standard reports whether a package is of the standard library: the first segment
// of every other import path is a domain name.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

// within reports whether a folder is the one named or, for "x/...", lies in it.
func within(pattern, folder string) bool {
	above, below := strings.CutSuffix(pattern, "/...")
	return folder == above || below && strings.HasPrefix(folder, above+"/")
}

func withinAny(patterns []string, folder string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return within(p, folder) })
}

// goFiles reads the imports of every Go file below a directory.
func goFiles(root string) ([]goFile, error) {
	var files []goFile
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != root && (strings.HasPrefix(d.Name(), ".") || slices.Contains(skipFolders, d.Name())):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(name) != ".go":
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		f := goFile{path: filepath.ToSlash(name)}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			f.imports = append(f.imports, imported)
		}
		files = append(files, f)
		return nil
	})
	return files, err
}
