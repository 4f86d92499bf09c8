package app_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/parley-chat/parley/app"
	"github.com/parley-chat/parley/auth"
	"github.com/parley-chat/parley/config"
)

// A whole server within another program.
func ExampleNew() {
	dir, err := os.MkdirTemp("", "parley-example-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)

	cfg := config.Default()
	cfg.Data, cfg.Listen, cfg.AdminListen = dir, "127.0.0.1:0", "" // any port, none for operators
	server := app.New(cfg, slog.New(slog.DiscardHandler))
	if err := server.Start(context.Background()); err != nil {
		panic(err)
	}
	token, err := server.Mint(auth.Claims{Subject: "ann", Org: cfg.Org, TTL: time.Hour})
	if err != nil {
		panic(err)
	}

	request, err := http.NewRequest(http.MethodGet, "http://"+server.Addr()+"/v1/chat/conversations", nil)
	if err != nil {
		panic(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		panic(err)
	}
	response.Body.Close()
	fmt.Println(response.Status)

	drain, cancel := context.WithTimeout(context.Background(), cfg.DrainTimeout)
	defer cancel()
	if err := server.Stop(drain); err != nil {
		panic(err)
	}
	// Output: 200 OK
}
