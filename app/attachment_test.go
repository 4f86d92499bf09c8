package app_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/parley-chat/parley/auth"
	"github.com/parley-chat/parley/config"
)

// A file is sent and fetched, and its bytes go when the message is deleted, wherever
// they lie.
func TestAttachmentsInADirectory(t *testing.T) {
	onBothStores(t, func(t *testing.T, cfg *config.Config) {
		sendAFile(t, cfg, func() int {
			kept, err := filepath.Glob(filepath.Join(cfg.Data, "attachments", "*", "att_*"))
			if err != nil {
				t.Fatal(err)
			}
			return len(kept)
		})
	})
}

func TestAttachmentsInABucket(t *testing.T) {
	cfg := newConfig(t)
	backend := s3mem.New()
	if err := backend.CreateBucket("files"); err != nil {
		t.Fatal(err)
	}
	store := httptest.NewServer(gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server())
	t.Cleanup(store.Close)
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, "s3cret\n")
	cfg.Attachments = "s3"
	cfg.S3 = config.S3{Endpoint: store.URL, Bucket: "files", Region: "us-east-1", AccessKey: "key", SecretFile: secret, PathStyle: true}
	sendAFile(t, cfg, func() int {
		list, err := backend.ListBucket("files", nil, gofakes3.ListBucketPage{})
		if err != nil {
			t.Fatal(err)
		}
		return len(list.Contents)
	})
	if _, err := os.Stat(filepath.Join(cfg.Data, "attachments")); !os.IsNotExist(err) {
		t.Errorf("there is a directory besides: %v", err)
	}
}

// sendAFile sends and deletes a file; kept counts those there are.
func sendAFile(t *testing.T, cfg *config.Config, kept func() int) {
	n := start(t, cfg)
	token, err := n.Mint(auth.Claims{Subject: "ada", Org: "org_demo"})
	if err != nil {
		t.Fatal(err)
	}
	call := func(method, url, body string, header map[string]string, into any) string {
		t.Helper()
		if strings.HasPrefix(url, "/") {
			url = "http://" + n.Addr() + url
		}
		r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range header {
			r.Header.Set(name, text)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode/100 != 2 {
			t.Fatalf("%s %s: %d %s %v", method, url, resp.StatusCode, text, err)
		}
		if into != nil {
			if err := json.Unmarshal(text, into); err != nil {
				t.Fatal(err)
			}
		}
		return string(text)
	}
	mine := map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json"}
	var made struct{ ID string }
	call("POST", "/v1/chat/conversations", `{"type":"group","participant_ids":["bob"]}`, mine, &made)
	var file struct {
		Attachment struct{ ID string }
		Upload     struct {
			Method, URL string
			Headers     map[string]string
		}
	}
	call("POST", "/v1/chat/attachments",
		`{"conversation_id":"`+made.ID+`","name":"a.txt","content_type":"text/plain","size":5}`, mine, &file)
	call(file.Upload.Method, file.Upload.URL, "hello", file.Upload.Headers, nil)
	var message, fetch struct{ ID, URL string }
	call("POST", "/v1/chat/messages/send",
		`{"conversation_id":"`+made.ID+`","attachments":["`+file.Attachment.ID+`"]}`, mine, &message)
	call("GET", "/v1/chat/attachments/"+file.Attachment.ID, "", mine, &fetch)
	if text := call("GET", fetch.URL, "", nil, nil); text != "hello" || kept() != 1 {
		t.Errorf("fetched %q, %d kept", text, kept())
	}
	call("DELETE", "/v1/chat/messages/"+message.ID, `{"mode":"for_everyone"}`, mine, nil)
	for deadline := time.Now().Add(10 * time.Second); kept() != 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the bytes are still there")
		}
	}
}
