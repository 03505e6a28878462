package partner

import (
	"io"
	"log"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// page is one reference implementation, as this test runs it.
type page struct {
	name   string
	path   string // of its address
	modern string // what it calls modern: "modern" or "jwt"
	// build makes what start needs, once; nil if that is nothing.
	build func(t *testing.T) string
	// start starts it with these settings and returns its origin, or "" when it
	// refuses them at once.
	start  func(t *testing.T, built string, settings []string) string
	only16 bool // takes Blowfish keys of 16 bytes only
	remote remote
}

// remote says what a page makes of HANDOFF_USER_FROM=remote-user.
type remote int

const (
	refused remote = iota // there is no web server before it that could say who it is
	nobody                // the web server that this test has signs nobody in
	alice                 // the web server says that it is Alice
)

func pages() []page {
	return []page{
		{name: "go", path: "/sso", modern: "modern", build: buildGo, start: startGo},
		{name: "go by CGI", path: "/sso", modern: "modern", build: buildGo, start: startCGI, remote: alice},
		{name: "python", path: "/sso", modern: "modern", start: startPython, remote: alice},
		{name: "node", path: "/sso", modern: "modern", start: startNode},
		{name: "php", path: "/sso.php", modern: "modern", start: startPHP, only16: true, remote: nobody},
		{name: "java-servlet", path: "/sso", modern: "modern", build: buildJava, start: startJava, remote: alice},
		{name: "aspnet-classic", path: "/Token.ashx", modern: "jwt", build: checkCSharp, start: startMono, remote: alice},
	}
}

// each runs a test on each page, with a function that starts it and returns its
// address.
func each(t *testing.T, run func(t *testing.T, p page, start func(t *testing.T, settings []string) string)) {
	for _, p := range pages() {
		t.Run(p.name, func(t *testing.T) {
			built := ""
			if p.build != nil {
				built = p.build(t)
			}
			run(t, p, func(t *testing.T, settings []string) string {
				t.Helper()
				origin := p.start(t, built, settings)
				if origin == "" {
					return ""
				}
				return origin + p.path
			})
		})
	}
}

// listening starts a program that listens on HANDOFF_LISTEN.
func listening(t *testing.T, settings []string, name string, args ...string) string {
	t.Helper()
	at := address(t)
	if !run(t, t.TempDir(), append(settings, "HANDOFF_LISTEN="+at), name, args...).listens(t, at) {
		return ""
	}
	return "http://" + at
}

func buildGo(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "sso")
	output(t, ".", "go", "build", "-o", binary, "foregate/examples/handoff/go")
	return binary
}

func startGo(t *testing.T, binary string, settings []string) string {
	return listening(t, settings, binary)
}

func startCGI(t *testing.T, binary string, settings []string) string {
	s := httptest.NewServer(&cgi.Handler{
		Path: binary, Dir: t.TempDir(), Stderr: &noise{}, Logger: log.New(io.Discard, "", 0),
		// A web server signs people in and says whom.
		Env: append(settings, `REMOTE_USER=HOSPITAL\Alice`),
	})
	t.Cleanup(s.Close)
	return s.URL
}

func startPython(t *testing.T, _ string, settings []string) string {
	const python = "/usr/bin/python3" // Debian's, which has Debian's cryptography
	need(t, python)
	// wsgiref passes the environment on, as a web server passes the user's name.
	return listening(t, append(settings, `REMOTE_USER=HOSPITAL\Alice`), python, example(t, "python/sso.py"))
}

func startNode(t *testing.T, _ string, settings []string) string {
	need(t, "node")
	return listening(t, settings, "node", "--openssl-legacy-provider", example(t, "node/sso.mjs"))
}

func startPHP(t *testing.T, _ string, settings []string) string {
	need(t, "php")
	at := address(t)
	settings = append(settings, "OPENSSL_CONF="+example(t, "php/openssl-legacy.cnf"))
	if !run(t, t.TempDir(), settings, "php", "-S", at, "-t", example(t, "php")).listens(t, at) {
		return ""
	}
	return "http://" + at
}

// classPath is Tomcat's, as Debian has it.
func classPath() string {
	var path []string
	for _, name := range []string{
		"annotations-api", "api", "catalina", "coyote", "el-api", "jaspic-api", "jni", "jsp-api", "juli",
		"servlet-api", "util", "util-scan",
	} {
		path = append(path, "/usr/share/java/tomcat10-"+name+".jar")
	}
	return strings.Join(path, ":")
}

func buildJava(t *testing.T) string {
	t.Helper()
	need(t, "java", "javac", "/usr/share/java/tomcat10-catalina.jar")
	dir := t.TempDir()
	output(t, ".", "javac", "-cp", classPath(), "-d", dir, example(t, "java-servlet/Sso.java"), "testdata/Launcher.java")
	return dir
}

func startJava(t *testing.T, classes string, settings []string) string {
	dir, at := t.TempDir(), address(t)
	_, port, _ := strings.Cut(at, ":")
	// Java reads the environment by the locale.
	settings = append(settings, "LC_ALL=C.UTF-8")
	if !run(t, dir, settings, "java", "-Xmx128m", "-XX:+UseSerialGC", "-cp", classPath()+":"+classes, "Launcher", dir, port).listens(t, at) {
		return ""
	}
	return "http://" + at
}

// checkCSharp compiles the page as the compiler of .NET Framework 4 would, which
// knows no later C# than 5. Mono's server compiles it again by itself.
func checkCSharp(t *testing.T) string {
	t.Helper()
	need(t, "mcs")
	page, err := os.ReadFile(example(t, "aspnet-classic/Token.ashx"))
	if err != nil {
		t.Fatal(err)
	}
	directive, code, _ := strings.Cut(string(page), "\n")
	if !strings.HasPrefix(directive, "<%@ WebHandler") {
		t.Fatalf("begins with %q", directive)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "Token.cs"), "%s", code)
	output(t, dir, "mcs", "-langversion:5", "-warnaserror", "-target:library", "-r:System.Web,System.Web.Extensions", "-out:page.dll",
		"Token.cs", example(t, "aspnet-classic/App_Code/Blowfish.cs"))
	return ""
}

// startMono has nginx in front, which signs Alice in for remote-user as IIS would.
func startMono(t *testing.T, _ string, settings []string) string {
	const server = "/usr/lib/mono/4.5/fastcgi-mono-server4.exe"
	need(t, "mono", "mcs", "nginx", "/etc/nginx/fastcgi_params", server)
	dir, front, back := t.TempDir(), address(t), address(t)
	root := filepath.Join(dir, "web")
	if err := os.CopyFS(root, os.DirFS(example(t, "aspnet-classic"))); err != nil {
		t.Fatal(err)
	}
	mono := run(t, root, append(settings, "TMPDIR="+dir, "HOME="+dir),
		"mono", server, "--socket=tcp:"+back, "--root="+root, "--applications=/:.")
	if !mono.listens(t, back) {
		return ""
	}
	protect := ""
	for _, s := range settings {
		if s == "HANDOFF_USER_FROM=remote-user" {
			write(t, filepath.Join(dir, "users"), "Alice:{PLAIN}pw-a\n")
			protect = "auth_basic intranet; auth_basic_user_file " + dir + "/users;"
		}
	}
	conf := filepath.Join(dir, "nginx.conf")
	write(t, conf, `
daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 64; }
http {
  access_log off; client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
  server {
    listen %[2]s;
    root %[1]s/web;
    location / {
      %[4]s
      include /etc/nginx/fastcgi_params;
      fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
      fastcgi_param PATH_INFO "";
      fastcgi_read_timeout 60s;
      fastcgi_pass %[3]s;
    }
  }
}`, dir, front, back, protect)
	if !run(t, dir, nil, "nginx", "-p", dir, "-c", conf).listens(t, front) {
		t.Fatal("nginx ended at once")
	}
	// Mono listens before it answers.
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get("http://" + front + "/Token.ashx")
		if err != nil {
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusBadGateway {
			break
		}
	}
	return "http://" + front
}
