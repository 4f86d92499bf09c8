package main

import "github.com/parley-chat/parley/config"

type configCmd struct {
	settings
	Defaults bool `help:"Print every setting with its default and what it does, as a file to start from."`
}

// Run prints a YAML file that can be read back with --config.
func (c *configCmd) Run(p *program) error {
	if c.Defaults {
		return config.PrintReference(p.stdout)
	}
	cfg, err := c.load(p)
	if err != nil {
		return err
	}
	return cfg.Print(p.stdout)
}
