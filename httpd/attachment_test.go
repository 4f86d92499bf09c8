package httpd_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-chat/parley/httpd"
)

// upload announces a file of the sender's and uploads it; its id.
func (h *house) upload(token, conversation, name, contentType, text string) string {
	h.t.Helper()
	id, path := h.announce(token, conversation, name, contentType, len(text))
	if a := h.put(path, contentType, strings.NewReader(text), int64(len(text))); a.status != http.StatusOK {
		h.t.Fatalf("upload: %d %s", a.status, a.text)
	}
	return id
}

// announce announces a file; its id and the path, with its signature, to upload to.
func (h *house) announce(token, conversation, name, contentType string, size int) (id, path string) {
	h.t.Helper()
	a := h.must("POST", "/v1/chat/attachments", token,
		fmt.Sprintf(`{"conversation_id":%q,"name":%q,"content_type":%q,"size":%d}`, conversation, name, contentType, size))
	return a.field(h.t, "attachment.id").(string), strings.TrimPrefix(a.field(h.t, "upload.url").(string), "https://parley.test")
}

// put uploads a body; size -1 does not say how long it is.
func (h *house) put(path, contentType string, body io.Reader, size int64) answer {
	h.t.Helper()
	return h.send("PUT", path, "", "", func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(body), size
		r.Header.Set("Content-Type", contentType)
	})
}

// carry sends a message that carries a file; its id.
func (h *house) carry(token, conversation, id, more string) string {
	h.t.Helper()
	a := h.must("POST", "/v1/chat/messages/send", token, fmt.Sprintf(`{"conversation_id":%q,"attachments":[%q]%s}`, conversation, id, more))
	return a.field(h.t, "id").(string)
}

// mayFetch asserts who may fetch a file, by what is told of it and by its bytes.
func (h *house) mayFetch(when, token, id string, want bool) {
	h.t.Helper()
	for _, path := range []string{"/v1/chat/attachments/" + id, "/v1/chat/attachments/" + id + "/content"} {
		a := h.send("GET", path, token, "", nil)
		if may := a.status == http.StatusOK; may != want || !may && a.status != http.StatusNotFound {
			h.t.Errorf("%s: %s gets %d for %s: %.80s", when, token, a.status, path, a.text)
		}
	}
}

func TestOnlyWhoMaySeeTheMessageFetchesTheFile(t *testing.T) {
	h := open(t)
	in := h.group("bob", "cyd")
	before, after := h.upload("ada", in, "a.png", "image/png", "one"), h.upload("ada", in, "b.png", "image/png", "two")
	h.mayFetch("before it is sent", "ada", before, true)
	h.mayFetch("before it is sent", "bob", before, false)
	h.mayFetch("ever", "stranger", before, false)
	message := h.carry("ada", in, before, "")
	h.mayFetch("sent", "bob", before, true)

	h.must("DELETE", "/v1/chat/conversations/"+in+"/participants/bob", "ada", "")
	h.carry("ada", in, after, "")
	h.mayFetch("of what was sent while he was there", "bob", before, true)
	h.mayFetch("of what was sent after he was removed", "bob", after, false)
	h.mayFetch("of what was sent after he was removed", "cyd", after, true)

	h.must("POST", "/v1/chat/users/ada/block", "cyd", "")
	h.mayFetch("of whom she blocks", "cyd", after, false)
	h.must("DELETE", "/v1/chat/users/ada/block", "cyd", "")

	internal := h.upload("ada", in, "c.png", "image/png", "three")
	h.carry("ada", in, internal, `,"is_internal":true`)
	h.mayFetch("internal", "cyd", internal, false)
	h.mayFetch("internal", "ada", internal, true)

	h.must("DELETE", "/v1/chat/messages/"+message, "cyd", `{"mode":"for_me"}`)
	h.mayFetch("hidden from herself", "cyd", before, false)
	h.mayFetch("hidden by another", "bob", before, true)
	h.must("DELETE", "/v1/chat/messages/"+message, "ada", `{"mode":"for_everyone"}`)
	for _, who := range []string{"ada", "bob", "cyd"} {
		h.mayFetch("deleted", who, before, false)
	}
}

// A signed URL is good for one attachment, one use and some minutes, and never for
// more than whom it was made for may see.
func TestSignedURLs(t *testing.T) {
	now := noon
	h := open(t, func(c *httpd.Config) { c.Now = func() time.Time { return now } })
	in := h.group("bob")
	id, upload := h.announce("ada", in, "a.png", "image/png", 4)
	other, _ := h.announce("ada", in, "b.png", "image/png", 4)
	_, signature, _ := strings.Cut(upload, "=")
	raw, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		t.Fatal(err)
	}
	forge := func(change func(b []byte) []byte) string {
		return base64.RawURLEncoding.EncodeToString(change([]byte(string(raw))))
	}
	for what, forged := range map[string]string{
		"none":                 "",
		"no base64":            "%20",
		"short":                "AAAA",
		"long":                 strings.Repeat("A", 20000),
		"another time":         forge(func(b []byte) []byte { b[5]++; return b }),
		"for something else":   forge(func(b []byte) []byte { b[0] = 'a'; return b }),
		"another sum":          forge(func(b []byte) []byte { b[len(b)-1]++; return b }),
		"cut off":              forge(func(b []byte) []byte { return b[:len(b)-1] }),
		"the name in the org":  forge(func(b []byte) []byte { b[10]++; return b }),
		"with something added": forge(func(b []byte) []byte { return append(b, 0) }),
	} {
		path := "/v1/chat/attachments/" + id + "/content?signature=" + forged
		want := http.StatusNotFound
		if what == "none" {
			want = http.StatusUnauthorized
		}
		if a := h.put(path, "image/png", strings.NewReader("four"), 4); a.status != want {
			t.Errorf("%s: %d %s", what, a.status, a.text)
		}
	}
	if a := h.put("/v1/chat/attachments/"+other+"/content?signature="+signature, "image/png", strings.NewReader("four"), 4); a.status != http.StatusNotFound {
		t.Errorf("another's: %d %s", a.status, a.text)
	}
	now = noon.Add(15 * time.Minute)
	if a := h.put(upload, "image/png", strings.NewReader("four"), 4); a.status != http.StatusForbidden {
		t.Errorf("expired: %d %s", a.status, a.text)
	}
	now = noon.Add(15*time.Minute - time.Second)
	if a := h.put(upload, "image/png", strings.NewReader("four"), 4); a.status != http.StatusOK {
		t.Fatalf("in time: %d %s", a.status, a.text)
	}
	if a := h.put(upload, "image/png", strings.NewReader("five"), 4); a.status != http.StatusConflict {
		t.Errorf("used again for other bytes: %d %s", a.status, a.text)
	}

	h.carry("ada", in, id, "")
	fetch := strings.TrimPrefix(h.must("GET", "/v1/chat/attachments/"+id, "bob", "").field(t, "url").(string), "https://parley.test")
	if a := h.send("GET", fetch, "", "", nil); a.status != http.StatusOK || a.text != "four" {
		t.Errorf("fetch: %d %s", a.status, a.text)
	}
	now = now.Add(5 * time.Minute)
	if a := h.send("GET", fetch, "", "", nil); a.status != http.StatusForbidden {
		t.Errorf("fetch with an expired URL: %d %s", a.status, a.text)
	}
	now = noon
	h.must("POST", "/v1/chat/users/ada/block", "bob", "")
	if a := h.send("GET", fetch, "", "", nil); a.status != http.StatusNotFound {
		t.Errorf("fetch in the name of who may no longer: %d %s", a.status, a.text)
	}
	if log := h.log.String(); strings.Contains(log, signature) || strings.Contains(log, "signature=") {
		t.Error("the log has signatures")
	}
}

func TestAnUploadIsCutAtItsEnd(t *testing.T) {
	h := open(t)
	in := h.group()
	id, path := h.announce("ada", in, "a.png", "image/png", 4)
	endless := &counting{r: zeros{}}
	for what, c := range map[string]struct {
		contentType string
		body        io.Reader
		size        int64
		status      int
	}{
		"too long, and says so":  {"image/png", strings.NewReader("four!"), 5, http.StatusRequestEntityTooLarge},
		"too short, and says so": {"image/png", strings.NewReader("fou"), 3, http.StatusUnprocessableEntity},
		"too short":              {"image/png", strings.NewReader("fou"), -1, http.StatusUnprocessableEntity},
		"of another type":        {"text/html", strings.NewReader("four"), 4, http.StatusUnprocessableEntity},
		"of no type":             {"", strings.NewReader("four"), 4, http.StatusUnprocessableEntity},
		"endless":                {"image/png", io.LimitReader(endless, 1<<30), -1, http.StatusRequestEntityTooLarge},
	} {
		if a := h.put(path, c.contentType, c.body, c.size); a.status != c.status {
			t.Errorf("%s: %d %s", what, a.status, a.text)
		}
	}
	if n := endless.n.Load(); n > 64<<20 {
		t.Errorf("%d bytes of an endless body were taken", n)
	}
	if a := h.must("GET", "/v1/chat/attachments/"+id, "ada", ""); a.field(t, "state") != "waiting" {
		t.Errorf("something was kept: %s", a.text)
	}
	if a := h.put(path, "image/png; q=1", strings.NewReader("four"), -1); a.status != http.StatusOK {
		t.Errorf("afterwards: %d %s", a.status, a.text)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// counting counts what is read, by a client that may go on when it has its answer.
type counting struct {
	r io.Reader
	n atomic.Int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// One file is not uploaded any number of times at once: each holds what it has sent.
func TestUploadsOfOneFileAtOnce(t *testing.T) {
	h := open(t)
	_, path := h.announce("ada", h.group(), "a.png", "image/png", 4)
	answers := make(chan int, 4)
	var bodies []*io.PipeWriter
	for range cap(answers) {
		r, w := io.Pipe()
		bodies = append(bodies, w)
		go func() {
			answers <- h.put(path, "image/png", r, -1).status
			_ = r.Close()
		}()
	}
	// Who comes last is refused, while the others wait for their bodies.
	if status := <-answers; status != http.StatusConflict {
		t.Errorf("of four one has status %d, want 409", status)
	}
	for _, w := range bodies {
		go func() {
			_, _ = w.Write([]byte("four"))
			_ = w.Close()
		}()
	}
	stored := 0
	for range cap(answers) - 1 {
		if <-answers == http.StatusOK {
			stored++
		}
	}
	if stored == 0 {
		t.Error("none of the others was taken")
	}
}

// Who uploads so slowly that it will never end is cut off.
func TestASlowUploadIsCutOff(t *testing.T) {
	h := open(t, func(c *httpd.Config) {
		if c.Attachments != nil {
			c.Attachments.Grace = 50 * time.Millisecond
		}
	})
	_, path := h.announce("ada", h.group(), "a.png", "image/png", 4)
	nc, err := net.Dial("tcp", strings.TrimPrefix(h.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_, _ = fmt.Fprintf(nc, "PUT %s HTTP/1.1\r\nHost: parley.test\r\nContent-Type: image/png\r\nContent-Length: 4\r\n\r\nfo", path)
	_ = nc.SetReadDeadline(time.Now().Add(20 * time.Second))
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("status %d, want 400", resp.StatusCode)
	}
}

// What is given out runs nothing in a browser and is kept under its own name,
// whatever that is.
func TestHeadersOfAFile(t *testing.T) {
	h := open(t)
	in := h.group()
	for _, c := range []struct{ name, contentType, how string }{
		{"a.png", "image/png", "inline"},
		{"a.svg", "image/svg+xml", "attachment"},
		{"a.txt", "text/plain", "attachment"},
		{"a.mp4", "video/mp4", "attachment"},
		{`a"; filename="b.exe`, "image/png", "inline"},
		{"pläne für 2027 – 📎.pdf", "application/pdf", "attachment"},
		{"a;b=c,d.png", "image/png", "inline"},
	} {
		id := h.upload("ada", in, c.name, c.contentType, "0123456789")
		path := "/v1/chat/attachments/" + id + "/content"
		a := h.must("GET", path, "ada", "")
		how, params, err := mime.ParseMediaType(a.header.Get("Content-Disposition"))
		if err != nil || how != c.how || params["filename"] != c.name || len(params) != 1 {
			t.Errorf("%s: Content-Disposition: %s", c.name, a.header.Get("Content-Disposition"))
		}
		for name, want := range map[string]string{
			"Content-Type": c.contentType, "X-Content-Type-Options": "nosniff",
			"Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "no-store", "Content-Length": "10",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", c.name, name, got, want)
			}
		}
		part := h.send("GET", path, "ada", "", func(r *http.Request) { r.Header.Set("Range", "bytes=2-4") })
		if part.status != http.StatusPartialContent || part.text != "234" || part.header.Get("Content-Range") != "bytes 2-4/10" {
			t.Errorf("a part: %d %q %s", part.status, part.text, part.header.Get("Content-Range"))
		}
		beyond := h.send("GET", path, "ada", "", func(r *http.Request) { r.Header.Set("Range", "bytes=99-") })
		known := h.send("GET", path, "ada", "", func(r *http.Request) { r.Header.Set("If-None-Match", a.header.Get("ETag")) })
		head := h.send("HEAD", path, "ada", "", nil)
		if beyond.status != 416 || known.status != 304 || head.status != 200 || head.text != "" || head.header.Get("Content-Length") != "10" {
			t.Errorf("beyond %d, known %d, head %d", beyond.status, known.status, head.status)
		}
	}
}

func TestWithoutAttachmentsTheirRoutesAreNotThere(t *testing.T) {
	h := open(t, func(c *httpd.Config) { c.Attachments = nil })
	in := h.group()
	a := h.send("POST", "/v1/chat/attachments", "ada", `{"conversation_id":"`+in+`","name":"a","content_type":"image/png","size":1}`, nil)
	if a.status != http.StatusNotFound {
		t.Errorf("announce: %d %s", a.status, a.text)
	}
	h.mayFetch("ever", "ada", "att_00000000000000000000000009", false)
}
