package saml

import (
	"errors"
	"strings"
	"testing"
	"time"

	"foregate/authn"
)

func TestSM8(t *testing.T) {
	now := newClock().now()
	at := func(d time.Duration) string { return stamp(now.Add(d)) }
	// The scene's clock reads the same second, or the next one.
	conditions := func(begin, end string) func(string) string {
		return func(s string) string {
			s = without(`<saml:Conditions `, `>`)(s)
			return strings.Replace(s, `<saml:AudienceRestriction>`, `<saml:Conditions NotBefore="`+begin+`" NotOnOrAfter="`+end+`"><saml:AudienceRestriction>`, 1)
		}
	}
	confirmed := func(data string) func(string) string {
		return func(s string) string {
			s = without(`<saml:SubjectConfirmationData `, `/>`)(s)
			return strings.Replace(s, confirmationXML, confirmationXML+data, 1)
		}
	}
	request := func(s string) string {
		i := strings.Index(s, `InResponseTo="`) + len(`InResponseTo="`)
		return s[i : i+strings.IndexByte(s[i:], '"')]
	}
	for name, change := range map[string]func(string) string{
		"audience absent":                    replaced(audienceXML, `<saml:AudienceRestriction/>`),
		"audience empty":                     replaced(">"+ourEntity+"<", "><"),
		"audience other":                     replaced(">"+ourEntity+"<", ">https://other.example<"),
		"audience a prefix":                  replaced(">"+ourEntity+"<", ">"+ourEntity+"x<"),
		"condition unknown":                  replaced("</saml:Conditions>", `<x:New xmlns:x="urn:x"/></saml:Conditions>`),
		"Recipient other":                    replaced(`Recipient="`+ourACS+`"`, `Recipient="https://other.example/sso/acs"`),
		"Recipient absent":                   replaced(` Recipient="`+ourACS+`"`, ""),
		"Destination other":                  replaced(`Destination="`+ourACS+`"`, `Destination="https://other.example/sso/acs"`),
		"Destination absent":                 replaced(` Destination="`+ourACS+`"`, ""),
		"InResponseTo absent":                func(s string) string { return strings.ReplaceAll(s, ` InResponseTo="`+request(s)+`"`, "") },
		"InResponseTo other":                 func(s string) string { return strings.ReplaceAll(s, request(s), "_other") },
		"InResponseTo of the response alone": func(s string) string { return strings.Replace(s, ` InResponseTo="`+request(s)+`"/>`, "/>", 1) },
		"InResponseTo of the assertion alone": func(s string) string {
			return strings.Replace(s, ` InResponseTo="`+request(s)+`"><saml:Issuer>`, "><saml:Issuer>", 1)
		},
		"Conditions ended 6 min ago":     conditions(at(-time.Hour), at(-6*time.Minute)),
		"Conditions begin in 6 min":      conditions(at(6*time.Minute), at(time.Hour)),
		"Conditions without end":         replaced(` NotOnOrAfter="`+at(5*time.Minute)+`"><saml:Aud`, `><saml:Aud`),
		"Conditions with broken end":     conditions(at(0), "tomorrow"),
		"Conditions with broken begin":   conditions("2026-13-45T99:99:99Z", at(time.Minute)),
		"confirmation ended 6 min ago":   confirmed(`<saml:SubjectConfirmationData NotOnOrAfter="` + at(-6*time.Minute) + `" Recipient="` + ourACS + `" InResponseTo="$R"/>`),
		"confirmation without end":       confirmed(`<saml:SubjectConfirmationData Recipient="` + ourACS + `" InResponseTo="$R"/>`),
		"confirmation with NotBefore":    replaced(`<saml:SubjectConfirmationData `, `<saml:SubjectConfirmationData NotBefore="`+at(-time.Minute)+`" `),
		"confirmation without data":      confirmed(""),
		"holder-of-key":                  replaced("cm:bearer", "cm:holder-of-key"),
		"two confirmations":              replaced("</saml:Subject>", confirmationXML+"</saml:SubjectConfirmation></saml:Subject>"),
		"session ended":                  replaced(`SessionIndex="s1"`, `SessionIndex="s1" SessionNotOnOrAfter="`+at(-6*time.Minute)+`"`),
		"authenticated in the future":    replaced(`AuthnInstant="`+at(0)+`"`, `AuthnInstant="`+at(6*time.Minute)+`"`),
		"no AuthnInstant":                replaced(`AuthnInstant="`+at(0)+`" `, ``),
		"no AuthnStatement":              without("<saml:AuthnStatement ", "</saml:AuthnStatement>"),
		"two AuthnStatements":            replaced("</saml:AuthnStatement>", `</saml:AuthnStatement><saml:AuthnStatement AuthnInstant="`+at(0)+`"/>`),
		"issued 10 min ago":              replaced(`IssueInstant="`+at(0)+`"`, `IssueInstant="`+at(-10*time.Minute)+`"`),
		"issued in 6 min":                replaced(`IssueInstant="`+at(0)+`"`, `IssueInstant="`+at(6*time.Minute)+`"`),
		"issued never":                   replaced(` IssueInstant="`+at(0)+`"`, ""),
		"issued at nonsense":             replaced(`IssueInstant="`+at(0)+`"`, `IssueInstant="-292277022657-01-27T08:29:52Z"`),
		"Issuer other":                   replaced(">"+idpEntity+"<", ">https://evil.example<"),
		"Issuer of the assertion absent": replaced(`IssueInstant="`+at(0)+`"><saml:Issuer>`+idpEntity+`</saml:Issuer><saml:Subject>`, `IssueInstant="`+at(0)+`"><saml:Subject>`),
		"Issuer of the response absent":  replaced(`<saml:Issuer>`+idpEntity+`</saml:Issuer><samlp:Status>`, `<samlp:Status>`),
		"Issuer of the response other":   replaced(`<saml:Issuer>`+idpEntity+`</saml:Issuer><samlp:Status>`, `<saml:Issuer>https://evil.example</saml:Issuer><samlp:Status>`),
		"Issuer of another format":       replaced("<saml:Issuer>", `<saml:Issuer Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">`),
		"Version 1.1":                    replaced(`Version="2.0"`, `Version="1.1"`),
		"Status Responder":               replaced("status:Success", "status:Responder"),
		"Status absent":                  without("<samlp:Status>", "</samlp:Status>"),
		"Status Success below another":   replaced(`<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/>`, `<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Responder"><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:StatusCode>`),
		"Status of another namespace":    replaced("samlp:Status>", "saml:Status>"),
		"no ID": func(s string) string {
			return s[:strings.Index(s, ` ID="_a`)] + s[strings.Index(s, ` Version="2.0" IssueInstant="`+at(0)+`"><saml:Issuer>`):]
		},
		"no NameID and no other name": without("<saml:NameID ", "</saml:NameID>"),
		"two NameIDs":                 replaced("<saml:NameID ", `<saml:NameID>root</saml:NameID><saml:NameID `),
		"transient NameID":            replaced("nameid-format:persistent", "nameid-format:transient"),
	} {
		change0 := change
		t.Run(name, func(t *testing.T) {
			clk := &clock{t: now}
			m := openFor(t, config(t), clk, nil)
			a, req := begin(t, m, clk)
			f := forge{now: now, request: req, text: func(s string) string { return strings.ReplaceAll(change0(s), "$R", req) }}
			if id, err := post(m, a, f.build()); err == nil {
				t.Errorf("signed in as %q", id.Subject)
			} else {
				saysWhen(t, name, err)
			}
		})
	}
	for name, change := range map[string]func(string) string{
		"Conditions ended 3 min ago":   conditions(at(-time.Hour), at(-3*time.Minute)),
		"Conditions begin in 3 min":    conditions(at(3*time.Minute), at(time.Hour)),
		"issued 3 min ago":             replaced(`IssueInstant="`+at(0)+`"`, `IssueInstant="`+at(-3*time.Minute)+`"`),
		"issued in 3 min":              replaced(`IssueInstant="`+at(0)+`"`, `IssueInstant="`+at(3*time.Minute)+`"`),
		"Issuer of format entity":      replaced("<saml:Issuer>", `<saml:Issuer Format="`+formatEntity+`">`),
		"one of two audiences":         replaced("<saml:Audience>", "<saml:Audience>https://other.example</saml:Audience><saml:Audience>"),
		"OneTimeUse":                   replaced("</saml:Conditions>", "<saml:OneTimeUse/></saml:Conditions>"),
		"blanks around the audience":   replaced(">"+ourEntity+"<", "> "+ourEntity+"\n<"),
		"unknown attribute":            replaced("</saml:AttributeStatement>", `<saml:Attribute Name="x" a:Extra="y" xmlns:a="urn:a"><saml:AttributeValue><a:b/></saml:AttributeValue></saml:Attribute></saml:AttributeStatement>`),
		"attributes in two statements": replaced("</saml:AttributeStatement>", "</saml:AttributeStatement><saml:AttributeStatement><saml:Attribute Name=\"x\"/></saml:AttributeStatement>"),
	} {
		t.Run(name, func(t *testing.T) {
			clk := &clock{t: now}
			m := openFor(t, config(t), clk, nil)
			a, req := begin(t, m, clk)
			if id, err := post(m, a, forge{now: now, request: req, text: change}.build()); err != nil || id.Subject != "alice" {
				t.Errorf("%q %v", id.Subject, err)
			}
		})
	}
}

// saysWhen wants words of its own for an answer that is right but for its time.
func saysWhen(t *testing.T, name string, err error) {
	t.Helper()
	want := map[string]string{
		"Conditions ended 6 min ago": "too old", "confirmation ended 6 min ago": "too old", "session ended": "too old", "issued 10 min ago": "too old",
		"Conditions begin in 6 min": "do not agree", "issued in 6 min": "do not agree", "authenticated in the future": "do not agree",
	}[name]
	var public *authn.Error
	if !errors.As(err, &public) || !strings.Contains(public.Public, want) || want == "" && strings.Contains(public.Public, "clock") {
		t.Errorf("people are told %q, want %q", public.Public, want)
	}
}
