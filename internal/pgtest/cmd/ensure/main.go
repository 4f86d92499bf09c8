// Command ensure sees that this machine has a PostgreSQL server for the tests. As
// root on Debian it installs the package `postgresql` where there is none; else it
// says in one line what it found. It fails only where an installation does.
package main

import (
	"fmt"
	"os"
	"os/exec"

	"github.com/parley-chat/parley/internal/pgtest"
)

func main() {
	found, err := pgtest.Find()
	if err != nil && canInstall() {
		if err := install(); err != nil {
			fmt.Fprintln(os.Stderr, "ensure: install PostgreSQL:", err)
			os.Exit(1)
		}
		found, err = pgtest.Find()
	}
	if err != nil {
		fmt.Println("ensure:", err)
		return
	}
	fmt.Println("ensure: found", found)
}

// canInstall reports whether this is root on Debian or one of its kin.
func canInstall() bool {
	_, err := os.Stat("/etc/debian_version")
	return err == nil && os.Geteuid() == 0
}

func install() error {
	for _, args := range [][]string{
		{"update"},
		{"install", "-y", "--no-install-recommends", "postgresql"},
	} {
		cmd := exec.Command("apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("apt-get %s: %w", args[0], err)
		}
	}
	return nil
}
