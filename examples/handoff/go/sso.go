// Command sso is a partner's page: it knows who the user is, makes a token that
// says so, and sends the browser back to the application with it.
//
// It listens on HANDOFF_LISTEN (127.0.0.1:8000 unless set), or answers one request
// as a CGI program of IIS or Apache. README.md says what to set.
package main

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/cgi"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"golang.org/x/crypto/blowfish"
)

var (
	app      = strings.TrimSuffix(os.Getenv("HANDOFF_APP"), "/")
	partner  = os.Getenv("HANDOFF_PARTNER")
	audience = os.Getenv("HANDOFF_AUDIENCE")
	legacy   = os.Getenv("HANDOFF_FORM") == "legacy"
	key      = bytesOf("HANDOFF_KEY")
	macKey   = bytesOf("HANDOFF_MAC_KEY")
	userFrom = os.Getenv("HANDOFF_USER_FROM")
	nameFrom = os.Getenv("HANDOFF_NAME_FROM")

	goodSource  = regexp.MustCompile(`^(remote-user|address|(header|fixed):.+)$`)
	goodUser    = regexp.MustCompile(`^[^\pZ\pC\x{FFFD}|]{1,128}$`)
	goodName    = regexp.MustCompile(`^[^\pC\x{FFFD}|]{1,64}$`)
	goodAddress = regexp.MustCompile(`^[!-~]+$`) // a line break would end the header
)

func main() {
	switch {
	case app == "" || !goodSource.MatchString(userFrom):
		log.Fatal("HANDOFF_APP is not set, or HANDOFF_USER_FROM is none of its ways")
	case !legacy && os.Getenv("HANDOFF_FORM") != "modern":
		log.Fatal("HANDOFF_FORM is neither legacy nor modern")
	case legacy && (len(key) < 16 || len(key) > 56 || len(macKey) < 16):
		log.Fatal("HANDOFF_KEY is not 16 to 56 bytes in hex, or HANDOFF_MAC_KEY is not 16 or more")
	case !legacy && (len(key) != 32 || partner == "" || audience == ""):
		log.Fatal("HANDOFF_KEY is not 32 bytes in hex, or HANDOFF_PARTNER or HANDOFF_AUDIENCE is not set")
	}
	if os.Getenv("GATEWAY_INTERFACE") != "" {
		log.Fatal(cgi.Serve(http.HandlerFunc(page)))
	}
	if userFrom == "remote-user" {
		log.Fatal("HANDOFF_USER_FROM=remote-user needs a web server that runs this as a CGI program")
	}
	http.HandleFunc("/sso", page)
	server := http.Server{Addr: cmp.Or(os.Getenv("HANDOFF_LISTEN"), "127.0.0.1:8000"), ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}

func page(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	if r.Method != http.MethodGet {
		http.Error(w, "This page is only opened by a link.", http.StatusMethodNotAllowed)
		return
	}
	user := lookUp(r, userFrom)
	user = strings.ToLower(user[strings.LastIndexByte(user, '\\')+1:]) // HOSPITAL\Alice is alice
	if !goodUser.MatchString(user) {
		http.Error(w, "We do not know who you are. Sign in to the intranet first, or ask your service desk.", http.StatusForbidden)
		return
	}
	name := lookUp(r, nameFrom)
	if !goodName.MatchString(name) {
		name = ""
	}
	// Never anywhere but to the application: whoever has a token is the user.
	to := r.FormValue("return_to")
	if !strings.HasPrefix(to, app+"/") || !goodAddress.MatchString(to) {
		to = app + "/"
	}
	to, _, _ = strings.Cut(to, "#")
	separator := map[bool]string{false: "?", true: "&"}[strings.Contains(to, "?")]
	w.Header().Set("Location", to+separator+token(user, name).Encode())
	w.WriteHeader(http.StatusFound)
}

// lookUp finds out who asks. CHANGE it if your page knows that in another way; the
// name of a user must never belong to somebody else later.
func lookUp(r *http.Request, source string) string {
	kind, argument, _ := strings.Cut(source, ":")
	switch kind {
	case "remote-user":
		return os.Getenv("REMOTE_USER")
	case "header":
		return r.Header.Get(argument)
	case "fixed":
		return argument
	case "address":
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		return host
	}
	return ""
}

func token(user, name string) url.Values {
	now := time.Now().Unix()
	if legacy {
		block, err := blowfish.NewCipher(key)
		check(err)
		text := fmt.Appendf(nil, "%d|%s|%s", now, user, name)
		pad := 8 - len(text)%8
		text = append(text, strings.Repeat(string(rune(pad)), pad)...)
		sealed := append(random(8), text...)
		cipher.NewCBCEncrypter(block, sealed[:8]).CryptBlocks(sealed[8:], sealed[8:])
		t := base64.RawURLEncoding.EncodeToString(sealed)
		mac := hmac.New(sha256.New, macKey)
		mac.Write([]byte(t))
		return url.Values{"token": {t}, "mac": {hex.EncodeToString(mac.Sum(nil))}}
	}
	text, err := json.Marshal(map[string]any{"ts": now, "sub": user, "name": name, "aud": audience, "jti": base64.RawURLEncoding.EncodeToString(random(16))})
	check(err)
	block, err := aes.NewCipher(key)
	check(err)
	gcm, err := cipher.NewGCM(block)
	check(err)
	nonce := random(12)
	return url.Values{"token": {base64.RawURLEncoding.EncodeToString(gcm.Seal(nonce, nonce, text, []byte(partner+"\n"+audience)))}}
}

func random(n int) []byte { b := make([]byte, n); rand.Read(b); return b }

func bytesOf(name string) []byte { b, err := hex.DecodeString(os.Getenv(name)); check(err); return b }

func check(err error) {
	if err != nil {
		log.Panic(err)
	}
}
