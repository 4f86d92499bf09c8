package natsbus

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Config says where the bus is. With URL set it is an existing NATS server or
// cluster and the fields of the embedded server must be empty; without, a server
// is started in the process, which needs Dir.
type Config struct {
	// URL names the servers of an existing cluster, comma separated:
	// "nats://10.0.0.1:4222,nats://10.0.0.2:4222". tls:// asks for TLS.
	URL string
	// Credentials is the path of a .creds file, with URL. Empty: none.
	Credentials string

	// Dir is where the embedded server keeps its streams. It belongs to one process
	// at a time.
	Dir string
	// Listen is a host:port at which the embedded server takes connections of other
	// services. Empty: it takes none, and only this process reaches it (in a cluster
	// by a loopback listener that knows no one else).
	Listen string
	// ServerName names the embedded server; it must be unique within a cluster.
	// Empty: a random name, which a cluster does not allow.
	ServerName string
	// Cluster makes the embedded servers of several nodes one. Zero: alone.
	Cluster Cluster
	// Token is a secret that every connection to the embedded server must show, and
	// every route of its cluster. Empty: whoever reaches Listen may speak on the bus,
	// which is right for a trusted network only.
	Token string

	// RunLogAge is how long the run log keeps its records; 0: 24 hours.
	RunLogAge time.Duration
	// RunLogReplicas is on how many servers of a cluster the run log is kept; 0: 1.
	RunLogReplicas int

	// Logger hears of connections lost and regained and of the embedded server's
	// warnings; nil: nobody does.
	Logger *slog.Logger
}

// Cluster says how an embedded server finds its peers.
type Cluster struct {
	Name string
	// Listen is the host:port for the routes of peers.
	Listen string
	// Routes are the host:port addresses of peers; the own may be among them.
	Routes []string
}

func (c *Cluster) zero() bool { return c.Name == "" && c.Listen == "" && len(c.Routes) == 0 }

const defaultRunLogAge = 24 * time.Hour

// Validate reports what makes the configuration unusable. No error holds a
// secret, so that none quotes a URL that cannot be read.
func (c *Config) Validate() error {
	if c.RunLogAge < 0 || c.RunLogReplicas < 0 {
		return errors.New("natsbus: the run log's age and replicas must not be negative")
	}
	if c.URL != "" {
		return c.validateRemote()
	}
	return c.validateEmbedded()
}

func (c *Config) validateRemote() error {
	if c.Dir != "" || c.Listen != "" || c.ServerName != "" || c.Token != "" || !c.Cluster.zero() {
		return errors.New("natsbus: a URL excludes the settings of the embedded server")
	}
	for i, s := range strings.Split(c.URL, ",") {
		// url.Parse takes "localhost:4222" for a scheme; nats.go reads it as a host.
		if s = strings.TrimSpace(s); !strings.Contains(s, "://") {
			s = "nats://" + s
		}
		if u, err := url.Parse(s); err != nil || u.Host == "" {
			return fmt.Errorf("natsbus: server %d of the URL is not nats://host:port", i+1)
		}
	}
	return nil
}

func (c *Config) validateEmbedded() error {
	if c.Dir == "" {
		return errors.New("natsbus: the embedded server needs a data directory")
	}
	if c.Credentials != "" {
		return errors.New("natsbus: credentials are for an existing server, by URL")
	}
	if c.Listen != "" {
		if _, _, err := splitHostPort(c.Listen); err != nil {
			return fmt.Errorf("natsbus: listen address: %w", err)
		}
	}
	if c.Cluster.zero() {
		return nil
	}
	if c.Cluster.Name == "" || c.Cluster.Listen == "" || c.ServerName == "" {
		return errors.New("natsbus: a cluster needs its name, its listen address and the server's name")
	}
	for _, addr := range append([]string{c.Cluster.Listen}, c.Cluster.Routes...) {
		if _, _, err := splitHostPort(addr); err != nil {
			return fmt.Errorf("natsbus: cluster address: %w", err)
		}
	}
	return nil
}

func splitHostPort(addr string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("%q has no port number", addr)
	}
	return host, int(n), nil
}
