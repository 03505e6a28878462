package gate

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	bootstrap "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/filters/cel/v3"
	extauthz "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	manager "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"go.yaml.in/yaml/v4"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"foregate/internal/fronttest"
)

// envoy is a Foregate that Envoy asks, and a client for its calls that is not ours.
func envoy(t *testing.T) (*foregate, auth.AuthorizationClient, string) {
	t.Helper()
	f, addr := askedByGRPC(t)
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return f, auth.NewAuthorizationClient(conn), addr
}

// call is what Envoy sends about a request (CheckRequestUtils::createHttpCheck).
func call(method, path string, headers map[string]string) *auth.CheckRequest {
	all := map[string]string{":method": method, ":path": path, ":authority": "app.test", ":scheme": "http", "x-forwarded-proto": "http", "x-request-id": "r"}
	maps.Copy(all, headers)
	return &auth.CheckRequest{Attributes: &auth.AttributeContext{
		Source: &auth.AttributeContext_Peer{Address: &core.Address{Address: &core.Address_SocketAddress{SocketAddress: &core.SocketAddress{
			Address: "192.0.2.7", PortSpecifier: &core.SocketAddress_PortValue{PortValue: 4711},
		}}}},
		Request:           &auth.AttributeContext_Request{Http: &auth.AttributeContext_HttpRequest{Id: "1", Method: method, Path: path, Host: "app.test", Scheme: "http", Protocol: "HTTP/1.1", Size: -1, Headers: all}},
		ContextExtensions: map[string]string{"virtual_host": "careplan"},
	}}
}

// TestEnvoyAsksByGRPC: strangers, people, who may not, and what belongs to the application.
func TestEnvoyAsksByGRPC(t *testing.T) {
	t.Parallel()
	f, client, _ := envoy(t)
	b := newBrowser(f)
	b.signIn("alice", alicePassword, "/")
	alice := map[string]string{"accept": "text/html", "cookie": "mine=1; foregate=" + b.cookie("foregate") + "; theirs=2"}
	ask := func(method, path string, headers ...map[string]string) *auth.CheckResponse {
		t.Helper()
		all := make(map[string]string)
		for _, h := range headers {
			maps.Copy(all, h)
		}
		answer, err := client.Check(t.Context(), call(method, path, all))
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}

	// A stranger is led to the sign-in, a script is told where it is.
	answer := ask("GET", "/ward?bed=7", map[string]string{"accept": "text/html"})
	if d := answer.GetDeniedResponse(); codes.Code(answer.GetStatus().GetCode()) != codes.Unauthenticated || d.GetStatus().GetCode() != 302 || option(d.GetHeaders(), "location") != "http://app.test/sso/sign-in?rd=%2Fward%3Fbed%3D7" {
		t.Errorf("a stranger's page: %v", answer)
	}
	answer = ask("GET", "/api/x")
	if d := answer.GetDeniedResponse(); d.GetStatus().GetCode() != 401 || !strings.Contains(d.GetBody(), `"sign_in"`) || option(d.GetHeaders(), "content-type") == "" {
		t.Errorf("a stranger's script: %v", answer)
	}

	// A person is told of, and no header of the browser stays.
	answer = ask("GET", "/ward", alice, map[string]string{
		"x-forwarded-user": "root", "x_forwarded_user": "root", "x.forwarded.groups": "admins", "x-forwarded-roles": "admin", "accept-encoding": "gzip", "x-original-url": "http://app.test/public/x",
	})
	ok := answer.GetOkResponse()
	if answer.GetStatus().GetCode() != 0 || ok == nil {
		t.Fatalf("signed in: %v", answer)
	}
	for name, want := range map[string]string{"x-forwarded-user": "alice", "x-forwarded-groups": "users", "cookie": "mine=1; theirs=2"} {
		if got := option(ok.GetHeaders(), name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := option(ok.GetHeaders(), "x-foregate-assertion"); strings.Count(got, ".") != 2 {
		t.Errorf("assertion %q", got)
	}
	for _, h := range ok.GetHeaders() {
		if h.GetAppendAction() != core.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD || h.GetAppend() != nil {
			t.Errorf("%s would stand beside the browser's", h.GetHeader().GetKey())
		}
	}
	for _, name := range []string{"x_forwarded_user", "x.forwarded.groups", "x-forwarded-roles", "x-forwarded-email"} {
		if !slices.Contains(ok.GetHeadersToRemove(), name) {
			t.Errorf("%s would arrive: %q are taken off", name, ok.GetHeadersToRemove())
		}
	}

	// Nobody is nobody at an open page.
	ok = ask("GET", "/public/x", map[string]string{"x-forwarded-user": "root"}).GetOkResponse()
	if ok == nil || option(ok.GetHeaders(), "x-forwarded-user") != "" || !slices.Contains(ok.GetHeadersToRemove(), "x-forwarded-user") {
		t.Errorf("a stranger at an open page: %v", ok)
	}
	only := ask("GET", "/ward", map[string]string{"cookie": "foregate=" + b.cookie("foregate")}).GetOkResponse()
	if !slices.Contains(only.GetHeadersToRemove(), "cookie") {
		t.Errorf("Foregate's cookie would arrive: %v", only)
	}

	// Who may not gets the page; what has two meanings is refused.
	answer = ask("GET", "/admin/x", alice)
	if d := answer.GetDeniedResponse(); codes.Code(answer.GetStatus().GetCode()) != codes.PermissionDenied || d.GetStatus().GetCode() != 403 || !strings.Contains(d.GetBody(), "support code") {
		t.Errorf("refused: %v", answer)
	}
	for _, path := range []string{"/public/..%2fadmin/x", "/public/../admin/x", "/public/..;/admin/x", "/%61dmin/x", "/ADMIN/x", "//admin/x", "/admin%2fx", "admin", "", "http://app.test/public/x", "/admin/x#/public", "/sso/account", "/sso/verify/public/x", "/public/x y"} {
		if answer := ask("GET", path, alice); answer.GetOkResponse() != nil || answer.GetStatus().GetCode() == 0 {
			t.Errorf("%q: %v", path, answer)
		}
	}
	for _, method := range []string{"TRACE", "CONNECT", "get", ""} {
		if answer := ask(method, "/public/x", alice); answer.GetOkResponse() != nil {
			t.Errorf("%q: %v", method, answer)
		}
	}
	// What the browser says of another request is not believed.
	lies := map[string]string{"x-forwarded-uri": "/public/x", "x-forwarded-method": "GET", "x-forwarded-host": "other.test", "x-original-method": "GET"}
	if d := ask("GET", "/admin/x", alice, lies).GetDeniedResponse(); d.GetStatus().GetCode() != 403 {
		t.Errorf("with another address in headers: %v", d)
	}
	// A WebSocket from elsewhere opens nothing.
	socket := map[string]string{"upgrade": "websocket", "connection": "upgrade", "sec-websocket-key": "x", "origin": "https://evil.test"}
	if d := ask("GET", "/ws", alice, socket).GetDeniedResponse(); d.GetStatus().GetCode() != 403 {
		t.Errorf("a socket from elsewhere: %v", d)
	}

	b.do("POST", "/sso/sign-out", map[string][]string{}, nil)
	if d := ask("GET", "/ward", alice).GetDeniedResponse(); d.GetStatus().GetCode() != 302 {
		t.Errorf("after the sign-out: %v", d)
	}
	if heads := f.up.take(); len(heads) > 0 {
		t.Errorf("Foregate carried a request: %q", heads)
	}
}

// TestEnvoysClientIsWhoSpokeToIt, whatever the browser claims.
func TestEnvoysClientIsWhoSpokeToIt(t *testing.T) {
	t.Parallel()
	f, client, _ := envoy(t)
	f.edit(func(yaml string) string {
		return strings.Replace(yaml, "{allow: signed_in}", "{path: /near/**, networks: [10.0.0.0/8], allow: anyone}\n      - {path: /far/**, networks: [192.0.2.0/24], allow: anyone}\n      - {allow: signed_in}", 1)
	})
	f.restart()
	for path, want := range map[string]bool{"/near/x": false, "/far/x": true} {
		answer, err := client.Check(t.Context(), call("GET", path, map[string]string{"x-forwarded-for": "10.0.0.1"}), grpc.WaitForReady(true))
		if err != nil || (answer.GetOkResponse() != nil) != want {
			t.Errorf("%s: %v, %v", path, answer, err)
		}
	}
}

// TestCallsThatAreNoneAreRefused as gRPC does it.
func TestCallsThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	f, client, addr := envoy(t)
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var none auth.CheckResponse
	if err := conn.Invoke(t.Context(), "/envoy.service.auth.v2.Authorization/Check", call("GET", "/public/x", nil), &none); status.Code(err) != codes.Unimplemented {
		t.Errorf("another call: %v", err)
	}
	if _, err := client.Check(t.Context(), call("GET", "/public/x", nil), grpc.UseCompressor(gzip.Name)); status.Code(err) != codes.Unimplemented {
		t.Errorf("a compressed call: %v", err)
	}
	if _, err := client.Check(t.Context(), call("GET", "/public/x", map[string]string{"x": strings.Repeat("x", 2<<20)})); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a call that is too long: %v", err)
	}
	for _, empty := range []*auth.CheckRequest{{}, {Attributes: &auth.AttributeContext{}}} {
		if answer, err := client.Check(t.Context(), empty); err == nil && answer.GetOkResponse() != nil {
			t.Errorf("an empty call is allowed: %v", answer)
		}
	}
	if err := conn.Invoke(t.Context(), auth.Authorization_Check_FullMethodName, &core.DataSource{Specifier: &core.DataSource_InlineBytes{InlineBytes: []byte("\xff\xff\xff")}}, &none); err == nil && none.GetOkResponse() != nil {
		t.Error("a broken call is allowed")
	}
	// Nothing else is served there.
	if answer := rawAt(t, addr, "GET /ward HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n"); statusOf(answer) == http.StatusOK || strings.Contains(answer, "sign-in") {
		t.Errorf("a browser: %.200q", answer)
	}
	// Nor to anybody else.
	f.edit(func(yaml string) string {
		return strings.Replace(yaml, "trusted_proxies: [127.0.0.1]", "trusted_proxies: [127.0.0.9]", 1)
	})
	f.restart()
	if answer, err := client.Check(t.Context(), call("GET", "/public/x", nil), grpc.WaitForReady(true)); status.Code(err) != codes.PermissionDenied {
		t.Errorf("who is no trusted proxy: %v, %v", answer, err)
	}
}

// TestEnvoyAsksByHTTP as it does: the method of the request, its address behind ours, no body.
func TestEnvoyAsksByHTTP(t *testing.T) {
	t.Parallel()
	f := asked(t)
	alice := f.alice()
	ask := func(method, path, lines string) string {
		return f.raw(method + " /sso/verify" + path + " HTTP/1.1\r\nHost: app.test\r\nContent-Length: 0\r\nConnection: close\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\n" + lines + "\r\n")
	}
	answer := ask("GET", "/ward?bed=7", "Accept: text/html\r\n")
	if statusOf(answer) != http.StatusFound || !strings.Contains(answer, "Location: http://app.test/sso/sign-in?rd=%2Fward%3Fbed%3D7\r\n") {
		t.Errorf("a stranger's page: %q", answer)
	}
	for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH"} {
		answer := ask(method, "/ward", "Cookie: "+alice+"\r\nX-Forwarded-User: root\r\n")
		if statusOf(answer) != http.StatusOK || !strings.Contains(answer, "X-Forwarded-User: alice\r\n") || !strings.Contains(answer, "X-Forwarded-Roles: \r\n") {
			t.Errorf("%s: %q", method, answer)
		}
	}
	if answer := ask("GET", "/admin/x", "Cookie: "+alice+"\r\nAccept: text/html\r\n"); statusOf(answer) != http.StatusForbidden {
		t.Errorf("refused: %q", answer)
	}
	for _, path := range []string{"/public/..%2fadmin/x", "/public/../admin/x", "//admin/x", "/%61dmin/x", "/../admin/x", "/sso/verify/public/x"} {
		if answer := ask("GET", path, "Cookie: "+alice+"\r\n"); statusOf(answer) == http.StatusOK {
			t.Errorf("%s: %q", path, answer)
		}
	}
}

// TestEnvoysConfigurationIsWhatEnvoyReads, by Envoy's own definitions.
func TestEnvoysConfigurationIsWhatEnvoyReads(t *testing.T) {
	t.Parallel()
	var b bootstrap.Bootstrap
	readEnvoy(t, "envoy", &b)
	var m manager.HttpConnectionManager
	if err := b.GetStaticResources().GetListeners()[0].GetFilterChains()[0].GetFilters()[0].GetTypedConfig().UnmarshalTo(&m); err != nil {
		t.Fatal(err)
	}
	if err := m.ValidateAll(); err != nil {
		t.Error(err)
	}
	var filter manager.HttpFilter
	readEnvoy(t, "envoy-filter", &filter)
	for _, config := range []*manager.HttpFilter{m.GetHttpFilters()[0], &filter} {
		var e extauthz.ExtAuthz
		if err := config.GetTypedConfig().UnmarshalTo(&e); err != nil {
			t.Fatal(err)
		}
		if err := e.ValidateAll(); err != nil || e.GetFailureModeAllow() {
			t.Errorf("%v, lets through without an answer: %v", err, e.GetFailureModeAllow())
		}
	}
}

func readEnvoy(t *testing.T, language string, into interface {
	proto.Message
	ValidateAll() error
}) {
	t.Helper()
	var tree any
	if err := yaml.Unmarshal([]byte(fronttest.Snippet(t, "envoy.md", language)), &tree); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	if err := protojson.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
	if err := into.ValidateAll(); err != nil {
		t.Error(err)
	}
}

// option is the one value of a header that Envoy is told to set.
func option(options []*core.HeaderValueOption, name string) string {
	var found []string
	for _, o := range options {
		if o.GetHeader().GetKey() == name {
			found = append(found, o.GetHeader().GetValue())
		}
	}
	return strings.Join(found, "|")
}
