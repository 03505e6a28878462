package config

import (
	"fmt"
	"reflect"
	"slices"

	"foregate/authn"
)

// mail checks the section mail, and that texts for an app are for one that there is.
func (c *checker) mail() {
	const at = "mail"
	m := c.file.Mail
	if m == nil {
		return
	}
	c.validated(at, m.Validate())
	c.risky(at, reflect.ValueOf(m))
	var known []string
	for i := range c.file.Apps {
		known = append(known, c.file.Apps[i].Name)
	}
	for _, app := range m.Apps() {
		if !slices.Contains(known, app) {
			c.fault(join(at, "templates"), FaultAt{
				Problem: fmt.Sprintf("has texts in apps/%s, and there is no such app", shown(app)),
				Nearest: nearest(app, known), Remedy: "give the folder the name of an app",
			})
		}
	}
}

// mails is a method that cannot do without the section mail.
type mails interface{ NeedsMail() bool }

func (c *checker) needsMail(path string, m authn.MethodConfig) {
	if n, ok := m.(mails); ok && n.NeedsMail() && c.file.Mail == nil && !c.faulty("mail") {
		c.fault(path, FaultAt{
			Problem: "sends letters, and there is no section mail",
			Remedy:  "add the section mail with your mail server",
		})
	}
}
