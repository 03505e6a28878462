package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// with puts a line into an otherwise right file, in place of one that has the
// same key.
func with(old, new string) string {
	if !strings.Contains(least, old) {
		panic("not in the least file: " + old)
	}
	return strings.Replace(least, old, new, 1)
}

func redis(section string) string {
	return "session: {secrets: [" + strings.Repeat("s", 32) + "]}\nstorage: {redis: {" + section + "}}\n"
}

const scim = "scim: {token: tttttttttttttttttttttttttttttttt}"

func organisation(section string) string {
	return "organisations: [{name: a, " + section + "}]\n"
}

func mailed(smtp string) string {
	return "mail: {from: a@b.example, smtp: {" + smtp + "}}\n"
}

func TestEachFaultHasPlaceAndWords(t *testing.T) {
	const badgeLine = "badge: {server: https://badge.example}"
	app := func(line string) string { return least + "    " + line + "\n" }
	method := func(section string) string { return with(badgeLine, section) }
	orgs := func(lines string) string { return with("methods: [ward]", "methods: [ward]\norganisations:\n"+lines) }
	tests := map[string]struct {
		text string
		want string // how the one fault begins, and after … how it goes on
	}{
		"empty":                  {"", "1:1: the file is empty; start from config.example.yaml"},
		"only comments":          {"# nothing\n", "1:1: the file is empty"},
		"null document":          {"---\n", "1:1: the file is empty"},
		"not a map":              {"- a\n", "1:1: is not a configuration (found a list"},
		"not UTF-8":              {"a: b\nc: \xff\n", "2:4: the text is not UTF-8"},
		"UTF-16":                 {"\xff\xfea\x00", "1:1: the text is not UTF-8"},
		"control character":      {"a: b\nc: x\x00\n", "2:5: a control character is not allowed (found U+0000)"},
		"too large":              {strings.Repeat("#", maxBytes+1), "1:1: the file is too large"},
		"tab":                    {"log:\n\tlevel: info\n", "2:1: a tab cannot indent; indent with spaces"},
		"second document":        {least + "---\nlog: {}\n", "9:1: a second document begins here"},
		"unclosed bracket":       {"methods: [a\nb: c\n", "2:2: is not YAML: did not find expected ',' or ']'"},
		"stray colon":            {"a: b: c\n", "1:5: a colon is not allowed here"},
		"at sign":                {"a: @b\n", "1:4: a value cannot begin with this character; put the value into quotes"},
		"unknown anchor":         {"a: *b\n", "1:4: a value that begins with * refers to an anchor"},
		"deep":                   {"a: " + strings.Repeat("[", 20000), "1:10004: brackets are nested too deeply"},
		"tag":                    {least + "prefix: !x /sso\n", "9:9: prefix: a value that begins with ! has a YAML tag"},
		"merge":                  {least + "log: {<<: {level: info}}\n", "9:7: log: a key must be plain text"},
		"key that is a map":      {least + "log: {? {a: b} : c}\n", "9:9: log: a key must be plain text"},
		"unknown key":            {least + "sesion: {idle: 20m}\n", `9:1: sesion: unknown key (allowed admin, apps, certificate_header, insecure_trust_all_proxies, limits, listen, log, mail, methods, organisations, prefix, session, storage, tls, trusted_proxies); correct or remove it — did you mean "session"?`},
		"nothing alike":          {least + "quux: 1\n", "9:1: quux: unknown key (allowed admin, apps, certificate_header, insecure_trust_all_proxies, limits, listen, log, mail, methods, organisations, prefix, session, storage, tls, trusted_proxies); correct or remove it"},
		"duplicate key":          {least + "prefix: /a\nprefix: /b\n", "10:1: prefix: is there already in line 9; keep one of the two"},
		"map wanted":             {least + "log: json\n", "9:6: log: is of the wrong kind (found a text; allowed a map of keys)"},
		"list wanted":            {app("rules: {path: /x}"), "9:5: apps[0].rules: is of the wrong kind (found a map; allowed a list)"},
		"one value wanted":       {least + "prefix: [/sso]\n", "9:1: prefix: is of the wrong kind (found a list; allowed a text)"},
		"null value":             {least + "prefix:\n", "9:1: prefix: has no value"},
		"no methods":             {"methods:\napps: [{name: a, hosts: [a], upstream: {url: 'http://a'}, methods: [b]}]\n", "1:1: methods: is empty; add methods: Ways to sign in"},
		"redis and no secret":    {least + "storage: {redis: {addresses: ['r:1']}}\n", "1:1: session.secrets: must be given beside storage.redis"},
		"redis with no port":     {least + redis("addresses: [localhost]"), "10:31: storage.redis.addresses[0]: is not an address"},
		"redis of no address":    {least + redis("cluster: true"), "10:11: storage.redis: has no addresses"},
		"mail without server":    {least + "mail: {from: a@b.example}\n", "9:1: mail.smtp: is missing; add smtp: The mail server"},
		"mail server's port":     {least + mailed("address: smtp.b.example"), `9:43: mail.smtp.address: "smtp.b.example" is not an address; write it like`},
		"mail, no password":      {least + mailed("address: 'smtp.b.example:587', username: a"), "9:27: mail.smtp.password: is missing beside username"},
		"mail, lost password":    {least + mailed("address: 'smtp.b.example:587', username: a, password: {env: FOREGATE_NO_SUCH}"), "9:78: mail.smtp.password: the environment variable is not set"},
		"mail, no TLS":           {least + mailed("address: 'smtp.b.example:587', username: a, password: b, insecure_no_tls: true"), "9:108: mail.smtp.insecure_no_tls: would send the password for all to read"},
		"mail from nobody":       {least + "mail: {from: Careplan, smtp: {address: 'smtp.b.example:587'}}\n", "9:14: mail.from: is not one mailbox"},
		"mail to nowhere":        {least + "mail: {from: a@b.example, allowed_domains: [b.example, '*'], smtp: {address: 'smtp.b.example:587'}}\n", `9:56: mail.allowed_domains[1]: "*" is not a domain`},
		"mail, timeout":          {least + mailed("address: 'smtp.b.example:587', timeout: 1h"), `9:74: mail.smtp.timeout: is too large`},
		"mail, templates":        {least + "mail: {from: a@b.example, templates: /nowhere, smtp: {address: 'smtp.b.example:587'}}\n", "9:38: mail.templates: cannot be used: "},
		"scim without token":     {least + organisation("scim: {}"), "9:27: organisations[0].scim.token: is missing; add token: Bearer token"},
		"scim token, short":      {least + organisation("scim: {token: abc}"), "9:41: organisations[0].scim.token: the token is too short (found 3 bytes; allowed 32 bytes or more)"},
		"scim token, spaces":     {least + organisation("scim: {token: "+strings.Repeat("s t", 11)+"}"), "9:41: organisations[0].scim.token: has spaces in it"},
		"scim token, twice":      {least + organisation(scim+"}, {name: b, "+scim), "9:101: organisations[1].scim.token: is the token of the organisation"},
		"scim group":             {least + organisation("scim: {groups: [''], token: "+strings.Repeat("t", 32)+"}"), "9:43: organisations[0].scim.groups[0]: is empty"},
		"scim role":              {least + organisation("scim: {roles: [nurse, ''], token: "+strings.Repeat("t", 32)+"}"), "9:49: organisations[0].scim.roles[1]: is empty"},
		"builds on no ldap":      {method("key: {of: wrad}"), `3:15: methods[0].key.of: is not the name of a method with a directory (found "wrad"); write the name of an ldap method`},
		"mail is needed":         {method("letter: {}"), "3:5: methods[0].letter: sends letters, and there is no section mail"},
		"two redis":              {least + redis("addresses: ['r:1', 's:1']"), "10:19: storage.redis.addresses: a single server has one address (found 2 of them); set sentinel"},
		"redis of two shapes":    {least + redis("addresses: ['r:1'], cluster: true, sentinel: x"), "10:64: storage.redis.sentinel: cannot stand beside cluster: true"},
		"cluster's database":     {least + redis("addresses: ['r:1'], cluster: true, database: 2"), "10:64: storage.redis.database: a cluster has no other database than 0"},
		"redis prefix":           {least + redis("addresses: ['r:1'], prefix: '{x}'"), "10:47: storage.redis.prefix: is no prefix for keys"},
		"redis tls is off":       {least + redis("addresses: ['r:1'], tls: {server_name: r}"), "10:39: storage.redis.tls.enabled: is off"},
		"sentinel user alone":    {least + redis("addresses: ['r:1'], sentinel_username: x"), "10:11: storage.redis.sentinel: is missing, though there are a user"},
		"app idles too long":     {app("session: {idle: 2h, lifetime: 1h}"), "9:21: apps[0].session.idle: is longer than the lifetime beside it"},
		"basic by no password":   {app("basic: {method: other}"), "9:21: apps[0].basic.method: is no method of this app that takes a user name and a password"},
		"activity except":        {app("activity: {except: [api]}"), "9:25: apps[0].activity.except[0]: does not begin with a slash"},
		"no kind":                {method("title: x"), "2:5: methods[0]: the method has no kind (allowed one of badge, door, key, letter)"},
		"unknown kind":           {method("bagde: {}"), `3:5: methods[0].bagde: unknown kind of method (allowed badge, door, key, letter); correct it — did you mean "badge"?`},
		"two kinds":              {method(badgeLine + "\n    door: {}"), "4:5: methods[0].door: a method is of one kind, and this one is badge already"},
		"missing key":            {method("badge: {}"), "3:5: methods[0].badge.server: is missing; add server: Address of the badge server"},
		"empty key":              {method(`badge: {server: ""}`), "3:21: methods[0].badge.server: is empty"},
		"fault of the method":    {method("badge: {server: ftp://x}"), "3:21: methods[0].badge.server: is not an https address; write https:// in front"},
		"fault in its list":      {method("badge: {server: x, users: [{name: a}, {name: root}]}"), "3:50: methods[0].badge.users[1].name: nobody is root"},
		"fault of absent key":    {method("badge: {server: x, users: [{name: alice}]}"), "3:32: methods[0].badge.users[0].pin: alice needs a PIN"},
		"error of the method":    {method("badge: {server: loose}"), "3:5: methods[0].badge: the server is loose"},
		"enum in a list":         {method("badge: {server: x, scopes: [a, B]}"), `3:36: methods[0].badge.scopes[1]: is none of the allowed words (found "B"; allowed a, b, c); write one of them`},
		"not whole":              {method("badge: {server: x, retries: 1.5}"), `3:33: methods[0].badge.retries: is not a whole number (found "1.5"; allowed 0 to 9)`},
		"too many":               {method("badge: {server: x, retries: 10}"), `3:33: methods[0].badge.retries: is too large (found "10"; allowed 0 to 9); write 9 or less`},
		"negative":               {method("badge: {server: x, retries: -1}"), `3:33: methods[0].badge.retries: is too small (found "-1"; allowed 0 to 9); write 0 or more`},
		"not a number":           {method("badge: {server: x, share: .nan}"), `3:31: methods[0].badge.share: is not a number`},
		"not an address":         {method("badge: {server: x, home: door7}"), `3:30: methods[0].badge.home: is not an IP address (found "door7"`},
		"name twice":             {method(badgeLine + "\n  - name: ward\n    door: {}"), "4:11: methods[1].name: the name is taken by methods[0] in line 2"},
		"bad name":               {strings.ReplaceAll(least, "ward", "Ward"), `2:11: methods[0].name: is not a plain name (found "Ward"`},
		"bare number":            {least + "session: {idle: 20}\n", `9:17: session.idle: is not a length of time (found "20"; allowed 1s to 8760h); write its unit: 20s for seconds, 20m for minutes, 20h for hours`},
		"days":                   {least + "session: {lifetime: 2d}\n", `9:21: session.lifetime: is not a length of time (found "2d"; allowed 1s to 8760h); there is no unit for days: write 48h`},
		"zero":                   {least + "limits: {idle_timeout: 0}\n", `9:24: limits.idle_timeout: is too small (found "0"; allowed 1s to 1h); write 1s or more`},
		"idle over lifetime":     {least + "session: {idle: 2h, lifetime: 90m}\n", `9:17: session.idle: is longer than session.lifetime, so it would never end a session (found 2h; allowed 1h30m at most)`},
		"short secret":           {least + "session: {secrets: [abc]}\n", "9:21: session.secrets[0]: the secret is too short (found 3 bytes; allowed 32 bytes or more)"},
		"secret twice":           {least + fmt.Sprintf("session: {secrets: [%[1]s, %[1]s]}\n", strings.Repeat("k", 32)), "9:55: session.secrets[1]: is the same secret as the one at [0]"},
		"cookie name":            {least + "session: {cookie: {name: __Host-x}}\n", `9:26: session.cookie.name: is not a name for a cookie (found "__Host-x"`},
		"cookie domain":          {least + "session: {cookie: {domain: clinic.example}}\n", "9:28: session.cookie.domain: does not cover the host careplan.hospital.example of the app careplan"},
		"half a label":           {least + "session: {cookie: {domain: spital.example}}\n", "9:28: session.cookie.domain: does not cover the host careplan.hospital.example"},
		"public suffix":          {with("[careplan.hospital.example]", "[a.co.uk]") + "session: {cookie: {domain: co.uk}}\n", "9:28: session.cookie.domain: is a public suffix"},
		"dotted domain":          {least + "session: {cookie: {domain: .hospital.example}}\n", "9:28: session.cookie.domain: begins with a dot (found \".hospital.example\"); write hospital.example"},
		"domain of digits":       {least + "session: {cookie: {domain: 192.0.2.1}}\n", "9:28: session.cookie.domain: is not a domain"},
		"prefix":                 {least + "prefix: /\n", `9:9: prefix: is not a path for Foregate's own pages (found "/"`},
		"not a network":          {least + "trusted_proxies: [proxy]\n", `9:19: trusted_proxies[0]: is not a network (found "proxy"`},
		"bits set":               {least + "trusted_proxies: [10.0.0.7/8]\n", `9:19: trusted_proxies[0]: has bits set beyond its length (found "10.0.0.7/8"; … write 10.0.0.0/8 for the network or 10.0.0.7 for the one address`},
		"mapped network":         {least + "trusted_proxies: ['::ffff:10.0.0.0/104']\n", "9:19: trusted_proxies[0]: is not a network (found \"::ffff:10.0.0.0/104\"; … write 10.0.0.0/8"},
		"PB3 trust all":          {least + "trusted_proxies: [0.0.0.0/0]\n", "9:19: trusted_proxies[0]: trusts too much of the internet"},
		"PB3 trust half":         {least + "trusted_proxies: ['8000::/1']\n", "9:19: trusted_proxies[0]: trusts too much of the internet"},
		"trust both":             {least + "trusted_proxies: [10.0.0.1]\ninsecure_trust_all_proxies: true\n", "9:1: trusted_proxies: is useless beside insecure_trust_all_proxies"},
		"listen":                 {least + "listen: {http: 8080}\n", `9:16: listen.http: is not an address to listen on (found "8080"; … write ":8080"`},
		"listen name":            {least + "listen: {http: 'ward.example:80'}\n", `9:16: listen.http: is not an address to listen on`},
		"http off":               {least + "listen: {http: off}\n", "9:16: listen.http: … remove the key instead"},
		"admin for all":          {least + "listen: {admin: ':9180'}\n", "9:17: listen.admin: could be reached from other machines"},
		"address twice":          {least + "listen: {http: '127.0.0.1:9180'}\n", "9:1: listen.admin: another listener has this address"},
		"ext_authz twice":        {least + "trusted_proxies: [127.0.0.1]\nlisten: {ext_authz: ':8080', http: ':8080'}\n", "10:21: listen.ext_authz: another listener has this address"},
		"ext_authz for nobody":   {least + "listen: {ext_authz: '127.0.0.1:9191'}\n", "9:21: listen.ext_authz: nobody could ask: there are no trusted_proxies"},
		"https without cert":     {least + "listen: {https: ':8443'}\n", "9:17: listen.https: there is no certificate for https"},
		"http3 without https":    {least + "listen: {http3: true}\n", `9:17: listen.http3: HTTP/3 is always encrypted, and listen.https is not set; add https: ":443" to listen with a certificate, or remove http3`},
		"host scheme":            {with("careplan.hospital.example", "https://careplan.hospital.example/x"), "6:13: apps[0].hosts[0]: is an address and not a host … write careplan.hospital.example"},
		"host path":              {with("careplan.hospital.example", "careplan.hospital.example/x"), "6:13: apps[0].hosts[0]: has a path, and a host has none … write careplan.hospital.example"},
		"host capitals":          {with("careplan.hospital.example", "Careplan.Hospital.example:8443"), "6:13: apps[0].hosts[0]: has capital letters … write careplan.hospital.example:8443"},
		"host wildcard":          {with("careplan.hospital.example", `"*.hospital.example"`), "6:13: apps[0].hosts[0]: has a wildcard"},
		"host dot":               {with("careplan.hospital.example", "careplan.hospital.example."), "6:13: apps[0].hosts[0]: ends with a dot … write careplan.hospital.example"},
		"host port":              {with("careplan.hospital.example", "careplan.hospital.example:99999"), "6:13: apps[0].hosts[0]: has a port that is none … write careplan.hospital.example"},
		"host user":              {with("careplan.hospital.example", "bob:x@careplan.hospital.example"), "6:13: apps[0].hosts[0]: has a user name, and a host has none (allowed"},
		"host of digits":         {with("careplan.hospital.example", `"0x7f.1"`), "6:13: apps[0].hosts[0]: is neither a name nor an IP address"},
		"host bare v6":           {with("careplan.hospital.example", `"2001:db8::0:1"`), "6:13: apps[0].hosts[0]: is an IP address in an unusual form … write [2001:db8::1]"},
		"host spaces":            {with("careplan.hospital.example", `"a b.example"`), "6:13: apps[0].hosts[0]: is not a host"},
		"host empty":             {with("careplan.hospital.example", `""`), "6:13: apps[0].hosts[0]: is not a host"},
		"host twice":             {with("[careplan.hospital.example]", "[bücher.example, xn--bcher-kva.example]"), "6:29: apps[0].hosts[1]: the host is taken by apps[0].hosts[0] in line 6"},
		"no hosts":               {with("[careplan.hospital.example]", "[]"), "6:5: apps[0].hosts: the list is empty; add hosts"},
		"return host":            {app("return_hosts: [https://b.example]"), "9:20: apps[0].return_hosts[0]: is an address and not a host … write b.example"},
		"return to anywhere":     {app("return_hosts: [.co.uk]"), "9:20: apps[0].return_hosts[0]: would let a sign-in lead to anybody's site"},
		"upstream missing":       {with("    upstream: {url: http://127.0.0.1:9000}\n", ""), "5:5: apps[0].upstream.url: is missing"},
		"forward and upstream":   {with("9000}\n", "9000}\n    forward_auth: {}\n"), "8:5: apps[0].forward_auth: stands beside upstream.url"},
		"forward from nobody":    {with("upstream: {url: http://127.0.0.1:9000}", "forward_auth: {}"), "7:5: apps[0].forward_auth: no proxy may ask about its requests; list"},
		"forward from anybody":   {with("upstream: {url: http://127.0.0.1:9000}", "forward_auth: {}") + "insecure_trust_all_proxies: true\n", "7:5: apps[0].forward_auth: no proxy may ask"},
		"forward from others":    {with("upstream: {url: http://127.0.0.1:9000}", "forward_auth: {from: [10.0.0.0/8]}") + "trusted_proxies: [10.1.0.0/16]\n", "7:27: apps[0].forward_auth.from[0]: does not lie within trusted_proxies"},
		"upstream scheme":        {with("http://127.0.0.1:9000", "127.0.0.1:9000"), "7:21: apps[0].upstream.url: is not a web address (found \"127.0.0.1:9000\""},
		"upstream ftp":           {with("http://127.0.0.1:9000", "ftp://127.0.0.1"), "7:21: apps[0].upstream.url: is not a web address"},
		"upstream port":          {with("http://127.0.0.1:9000", "http://a:0"), "7:21: apps[0].upstream.url: is not a web address"},
		"upstream query":         {with("http://127.0.0.1:9000", "http://a/?b=c"), "7:21: apps[0].upstream.url: has a query or a fragment"},
		"upstream credentials":   {with("http://127.0.0.1:9000", "http://bob:x@a"), "7:21: apps[0].upstream.url: holds a user name or password (allowed"},
		"upstream also path":     {with("9000}", "9000, also: ['http://127.0.0.1:9001/x']}"), "7:51: apps[0].upstream.also[0]: differs from url in more than host and port"},
		"upstream also alone":    {with("{url: http://127.0.0.1:9000}", "{also: ['http://a']}\n    forward_auth: {}") + "trusted_proxies: [10.1.0.0/16]\n", "7:16: apps[0].upstream.also: stands without url"},
		"health of one":          {with("9000}", "9000, health: {path: /healthz}}"), "7:44: apps[0].upstream.health: is of no use for one address"},
		"retry of one":           {with("9000}", "9000, retry: {}}"), "7:44: apps[0].upstream.retry: is of no use for one address"},
		"retry of nothing":       {with("9000}", "9000, also: ['http://127.0.0.1:9001'], retry: {statuses: []}}"), "7:85: apps[0].upstream.retry.statuses: the list is empty"},
		"retry of success":       {with("9000}", "9000, also: ['http://127.0.0.1:9001'], retry: {statuses: [503, 404]}}"), `7:101: apps[0].upstream.retry.statuses[1]: does not say that another address could do better (found 404; allowed 429, 500 to 599)`},
		"retry too often":        {with("9000}", "9000, also: ['http://127.0.0.1:9001'], retry: {times: 4}}"), "7:92: apps[0].upstream.retry.times: is too large"},
		"timeout of a folder":    {app("upstreams: [{path: /b, folder: /, idle_timeout: 4s}]"), "9:53: apps[0].upstreams[0].idle_timeout: stands beside folder"},
		"balance of an answer":   {app("upstreams: [{path: /b, answer: {}, balance: sticky}]"), "9:49: apps[0].upstreams[0].balance: stands beside answer"},
		"retry of a folder":      {app("upstreams: [{path: /b, folder: /, retry: {}}]"), "9:39: apps[0].upstreams[0].retry: stands beside folder"},
		"health without slash":   {with("9000}", "9000, also: ['http://127.0.0.1:9001'], health: {path: healthz}}"), "7:92: apps[0].upstream.health.path: does not begin with a slash"},
		"upstream also twice":    {with("9000}", "9000, also: ['http://127.0.0.1:9000']}"), "7:51: apps[0].upstream.also[0]: is there twice"},
		"upstream ca on http":    {with("9000}", "9000, ca: x.pem}"), "7:48: apps[0].upstream.ca: is of no use for an application on plain http"},
		"upstream host":          {with("9000}", "9000, host: http://a}"), "7:50: apps[0].upstream.host: is an address and not a host … write a"},
		"unknown method":         {with("methods: [ward]", "methods: [wrad]"), `8:15: apps[0].methods[0]: there is no such method (found "wrad"; allowed ward); write the name of one of the methods — did you mean "ward"?`},
		"two doors":              {"methods: [{name: a, door: {}}, {name: b, door: {}}]\n" + with("methods: [ward]", "methods: [a, b]")[strings.Index(least, "apps:"):], "6:18: apps[0].methods[1]: takes the door, as a does"},
		"method twice":           {with("methods: [ward]", "methods: [ward, ward]"), "8:21: apps[0].methods[1]: is listed twice"},
		"org name":               {orgs("  - {name: St Elsewhere}"), `10:12: organisations[0].name: is not a plain name (found "St Elsewhere"`},
		"org twice":              {orgs("  - {name: a}\n  - {name: a}"), "11:12: organisations[1].name: the name is taken by organisations[0] in line 10"},
		"org method":             {orgs("  - {name: a, methods: [wrad]}"), `10:25: organisations[0].methods[0]: there is no such method (found "wrad"; … did you mean "ward"?`},
		"org shared method":      {orgs("  - {name: a, methods: [ward]}\n  - {name: b, methods: [ward]}"), "11:25: organisations[1].methods[0]: is a method of the organisation a already, and a method can sign in people of one organisation only"},
		"org only":               {orgs("  - {name: a, only: true}"), "10:21: organisations[0].only: its people must use its methods, and it has none"},
		"org domain":             {orgs("  - {name: a, domains: ['@a.example']}"), "10:25: organisations[0].domains[0]: is not a domain of e-mail addresses"},
		"org domain bare":        {orgs("  - {name: a, domains: [localhost]}"), "10:25: organisations[0].domains[0]: is not a domain of e-mail addresses"},
		"org domain address":     {orgs("  - {name: a, domains: [192.0.2.1]}"), "10:25: organisations[0].domains[0]: is not a domain of e-mail addresses"},
		"org domain port":        {orgs("  - {name: a, domains: ['a.example:25']}"), "10:25: organisations[0].domains[0]: is not a domain of e-mail addresses"},
		"org public domain":      {orgs("  - {name: a, domains: [.co.uk]}"), "10:25: organisations[0].domains[0]: would make people of all sorts"},
		"org domain of two":      {orgs("  - {name: a, domains: [a.example]}\n  - {name: b, domains: [b.example, a.example]}"), "11:36: organisations[1].domains[1]: belongs to the organisation a already, by line 10"},
		"org domain below":       {orgs("  - {name: a, domains: [.a.example]}\n  - {name: b, domains: [ward.a.example]}"), "11:25: organisations[1].domains[0]: belongs to the organisation a already"},
		"org domain covered":     {orgs("  - {name: a, domains: [.a.example, .ward.a.example]}"), "10:37: organisations[0].domains[1]: is covered by the item in line 10"},
		"org network of two":     {orgs("  - {name: a, networks: [10.1.0.0/16]}\n  - {name: b, networks: [10.1.2.3]}"), "11:26: organisations[1].networks[0]: belongs to the organisation a already, by line 10"},
		"org network wide":       {orgs("  - {name: a, networks: [0.0.0.0/1]}"), "10:26: organisations[0].networks[0]: is so wide that strangers are in it"},
		"org desk":               {orgs("  - {name: a, desk: [desk]}"), "10:22: organisations[0].desk[0]: is not an e-mail address"},
		"org desk of two":        {orgs("  - {name: a, desk: [d@a.example]}\n  - {name: b, desk: [D@A.example]}"), "11:22: organisations[1].desk[0]: belongs to the organisation a already"},
		"org admit":              {strings.Replace(orgs("  - {name: a, methods: [ward]}\n  - {name: b}"), badgeLine, "admit: {organisation: b}\n    "+badgeLine, 1), "3:27: methods[0].admit.organisation: the method belongs to the organisation a"},
		"org admit all":          {strings.Replace(orgs("  - {name: a, methods: [ward]}"), badgeLine, "admit: {organisation: '*'}\n    "+badgeLine, 1), "3:27: methods[0].admit.organisation: the method belongs to the organisation a"},
		"org admit unknown":      {strings.Replace(orgs("  - {name: elsewhere}"), badgeLine, "admit: {organisation: elswhere}\n    "+badgeLine, 1), `3:27: methods[0].admit.organisation: there is no such organisation (found "elswhere"; … did you mean "elsewhere"?`},
		"app org":                {strings.Replace(orgs("  - {name: elsewhere}"), "methods: [ward]", "methods: [ward]\n    organisations: [elswhere]", 1), `9:21: apps[0].organisations[0]: there is no such organisation (found "elswhere"; … did you mean "elsewhere"?`},
		"app org twice":          {strings.Replace(orgs("  - {name: a}"), "methods: [ward]", "methods: [ward]\n    organisations: [a, a]", 1), "9:24: apps[0].organisations[1]: is listed twice"},
		"app org and all":        {strings.Replace(orgs("  - {name: a}"), "methods: [ward]", "methods: [ward]\n    organisations: [a, '*']", 1), "9:24: apps[0].organisations[1]: is all organisations, so the others say nothing"},
		"app discover":           {app("discover: true"), "9:15: apps[0].discover: an e-mail address could lead to no organisation here"},
		"app discover nothing":   {strings.Replace(orgs("  - {name: a, methods: [ward]}"), "methods: [ward]", "methods: [ward]\n    discover: true", 1), "9:15: apps[0].discover: an e-mail address could lead to no organisation here"},
		"app kinds":              {app("kinds: [staff]"), "9:5: apps[0].kinds: people who come by the method ward need no account"},
		"app kinds empty":        {strings.Replace(app("kinds: ['']"), badgeLine, "admit: {account: create}\n    "+badgeLine, 1), "10:13: apps[0].kinds[0]: is empty"},
		"branch of nothing":      {app("upstreams: [{url: 'http://b'}]"), "9:17: apps[0].upstreams[0].path: is missing; add path: This path and all below it"},
		"branch without url":     {app("upstreams: [{path: /b}]"), "9:17: apps[0].upstreams[0].url: is missing"},
		"branch without slash":   {app("upstreams: [{path: b, url: 'http://b'}]"), `9:24: apps[0].upstreams[0].path: does not begin with a slash (found "b"; … write /b`},
		"branch wildcard":        {app("upstreams: [{path: /b/**, url: 'http://b'}]"), "9:24: apps[0].upstreams[0].path: holds a character that has a meaning"},
		"branch dots":            {app("upstreams: [{path: /b, rewrite: /../c, url: 'http://b'}]"), "9:37: apps[0].upstreams[0].rewrite: is never the path of a request"},
		"branch of all":          {app("upstreams: [{path: /, url: 'http://b'}]"), "9:24: apps[0].upstreams[0].path: is every path"},
		"branch twice":           {app("upstreams: [{path: /b, url: 'http://b'}, {path: /b/, url: 'http://c'}]"), "9:53: apps[0].upstreams[1].path: the path is taken by apps[0].upstreams[0].path in line 9"},
		"branch socket":          {app("upstreams: [{path: /b, url: 'unix:run/b.sock'}]"), "9:33: apps[0].upstreams[0].url: is not a web address … unix:///path"},
		"branch plain name":      {app("upstreams: [{path: /b, url: 'http://b', server_name: b}]"), "9:58: apps[0].upstreams[0].server_name: is of no use"},
		"branch cert alone":      {app("upstreams: [{path: /b, url: 'https://b', cert: b.pem}]"), "9:52: apps[0].upstreams[0].cert: cert and key go together"},
		"branch h2c and TLS":     {app("upstreams: [{path: /b, url: 'https://b', h2c: true}]"), "9:51: apps[0].upstreams[0].h2c: is HTTP/2 without TLS"},
		"maintenance file":       {app("maintenance: {file: run/off}"), "9:25: apps[0].maintenance.file: is not an absolute path"},
		"folder and url":         {with("9000}", "9000, folder: /}"), "7:21: apps[0].upstream.url: stands beside folder"},
		"folder and answer":      {app("upstreams: [{path: /b, folder: /, answer: {}}]"), "9:39: apps[0].upstreams[0].answer: stands beside folder"},
		"folder missing":         {app("upstreams: [{path: /b, folder: /nowhere/at/all}]"), "9:36: apps[0].upstreams[0].folder: the folder cannot be opened"},
		"folder is a file":       {app("upstreams: [{path: /b, folder: /etc/passwd}]"), "9:36: apps[0].upstreams[0].folder: the folder cannot be opened"},
		"folder rewritten":       {app("upstreams: [{path: /b, folder: /, rewrite: /c}]"), "9:48: apps[0].upstreams[0].rewrite: is of no use where no application is asked"},
		"answer with a host":     {app("upstreams: [{path: /b, answer: {}, host: b}]"), "9:46: apps[0].upstreams[0].host: stands beside answer"},
		"answer 304":             {app("upstreams: [{path: /b, answer: {status: 304}}]"), "9:45: apps[0].upstreams[0].answer.status: is an answer to a condition"},
		"answer 204 with body":   {app("upstreams: [{path: /b, answer: {status: 204, body: x}}]"), "9:56: apps[0].upstreams[0].answer.body: cannot go with status 204"},
		"answer type":            {app("upstreams: [{path: /b, answer: {type: 'a b'}}]"), "9:43: apps[0].upstreams[0].answer.type: is not a media type"},
		"folder beside asking":   {with("upstream: {url: http://127.0.0.1:9000}", "upstream: {folder: /}\n    forward_auth: {}"), "8:5: apps[0].forward_auth: stands beside upstream"},
		"basic colon":            {app("upstreams: [{path: /b, url: 'http://b', basic: {user: 'a:b', password: x}}]"), "9:59: apps[0].upstreams[0].basic.user: cannot be sent"},
		"basic line end":         {app("upstreams: [{path: /b, url: 'http://b', basic: {user: a, password: \"x\\ny\"}}]"), "9:72: apps[0].upstreams[0].basic.password: cannot be sent (allowed"},
		"basic alone":            {app("upstreams: [{path: /b, url: 'http://b', basic: {user: a}}]"), "9:45: apps[0].upstreams[0].basic.password: is missing"},
		"basic of nobody":        {app("upstreams: [{path: /b, url: 'http://b', basic: {}}]"), "9:45: apps[0].upstreams[0].basic.user: is missing; give user and password for everybody, or write per_user: true"},
		"basic for all and own":  {app("upstreams: [{path: /b, url: 'http://b', basic: {per_user: true, user: a}}]"), "9:75: apps[0].upstreams[0].basic.user: stands beside per_user"},
		"basic without accounts": {app("upstreams: [{path: /b, url: 'http://b', basic: {per_user: true}}]"), "9:63: apps[0].upstreams[0].basic.per_user: keeps names and passwords with people's accounts"},
		"basic self-service":     {app("upstreams: [{path: /b, url: 'http://b', basic: {user: a, password: b, self_service: false}}]"), "9:89: apps[0].upstreams[0].basic.self_service: is of no use without per_user"},
		"basic to a folder":      {app("upstreams: [{path: /b, folder: /, basic: {user: a, password: x}}]"), "9:39: apps[0].upstreams[0].basic: stands beside folder"},
		"branch query":           {app("upstreams: [{path: /b, url: 'http://b/?c'}]"), "9:33: apps[0].upstreams[0].url: has a query"},
		"rule allow":             {app("rules: [{allow: everybody}]"), `9:21: apps[0].rules[0].allow: is none of the allowed words (found "everybody"; allowed anyone, signed_in, nobody)`},
		"rule path":              {app("rules: [{path: admin/**}]"), `9:20: apps[0].rules[0].path: does not begin with a slash, so it would match nothing (found "admin/**"; … write /admin/**`},
		"rule query":             {app("rules: [{path: '/a?b'}]"), "9:20: apps[0].rules[0].path: holds a query"},
		"rule escape":            {app("rules: [{path: /a%2fb}]"), "9:20: apps[0].rules[0].path: is not in plain form"},
		"rule dots":              {app("rules: [{path: /a/../b}]"), "9:20: apps[0].rules[0].path: is never the path of a request"},
		"rule slashes":           {app("rules: [{path: //b}]"), "9:20: apps[0].rules[0].path: is never the path of a request"},
		"rule star":              {app("rules: [{path: /a**/b}]"), "9:20: apps[0].rules[0].path: has ** within a segment"},
		"rule stars at an end":   {app("rules: [{path: /b/a**}]"), "9:20: apps[0].rules[0].path: has ** within a segment"},
		"rule verb":              {app("rules: [{http_methods: [get]}]"), `9:29: apps[0].rules[0].http_methods[0]: is not an HTTP method (found "get"; … write GET`},
		"rule trace":             {app("rules: [{http_methods: [TRACE]}]"), `9:29: apps[0].rules[0].http_methods[0]: is never passed on`},
		"rule verb twice":        {app("rules: [{http_methods: [GET, GET]}]"), `9:34: apps[0].rules[0].http_methods[1]: is listed twice`},
		"rule method":            {app("rules: [{methods: [word]}]"), `9:24: apps[0].rules[0].methods[0]: there is no such method (found "word"; allowed ward); … did you mean "ward"?`},
		"rule groups, anyone":    {app("rules: [{path: /x, allow: anyone, groups: [a]}]"), "9:39: apps[0].rules[0].groups: has no effect with allow: anyone"},
		"rule nets, nobody":      {app("rules: [{path: /x, allow: nobody, networks: [10.0.0.1]}]"), "9:39: apps[0].rules[0].networks: has no effect with allow: nobody"},
		"rule empty group":       {app("rules: [{groups: ['']}]"), "9:23: apps[0].rules[0].groups[0]: is empty"},
		"rule never reached":     {app("rules: [{allow: signed_in}, {path: /x}]"), "9:33: apps[0].rules[1]: is never reached: the rule in line 9 decides first"},
		"header reserved":        {app("headers: {map: {transfer-encoding: {value: a}}}"), "9:21: apps[0].headers.map.transfer-encoding: is a header that Foregate or HTTP itself needs"},
		"header name":            {app("headers: {map: {X_User: {claim: user}}}"), "9:21: apps[0].headers.map.X_User: is not the name of a header"},
		"header twice":           {app("headers: {map: {X-User: {claim: user}, x-user: {claim: name}}}"), "9:44: apps[0].headers.map.x-user: is the same header as X-User"},
		"header of nothing":      {app("headers: {map: {X-User: {}}}"), "9:21: apps[0].headers.map.X-User: needs exactly one of claim and value"},
		"header value":           {app("headers: {map: {X-User: {value: \"a\\nb\"}}}"), "9:37: apps[0].headers.map.X-User.value: cannot be sent in a header"},
		"preset":                 {app("headers: {preset: Remote}"), `9:23: apps[0].headers.preset: is none of the allowed words (found "Remote"; allowed forwarded, remote, auth-request, none); write one of them — did you mean "remote"?`},
		"language":               {app("page: {languages: [en, xx]}"), `9:28: apps[0].page.languages[1]: is none of the allowed words (found "xx"`},
		"language twice":         {app("page: {languages: [en, en]}"), "9:28: apps[0].page.languages[1]: is listed twice"},
		"no language":            {app("page: {languages: []}"), "9:12: apps[0].page.languages: is empty"},
		"background":             {app("page: {background: blue}"), `9:24: apps[0].page.background: is not a colour (found "blue"`},
		"colour":                 {app("page: {colour: '#abc'}"), `9:20: apps[0].page.colour: is not a colour (found "#abc"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := parse(t, tt.text)
			var faults *Faults
			if !errors.As(err, &faults) || len(faults.All) != 1 {
				t.Fatalf("got %v, want one fault", err)
			}
			begin, rest, _ := strings.Cut(tt.want, " … ")
			got := err.Error()
			if !strings.HasPrefix(got, "foregate.yaml:"+begin) || !strings.Contains(got, rest) {
				t.Errorf("got  %s\nwant foregate.yaml:%s", got, tt.want)
			}
			if faults.All[0].Remedy == "" && name != "error of the method" {
				t.Errorf("no remedy: %s", got)
			}
		})
	}
}
