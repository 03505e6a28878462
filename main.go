// Foregate stands in front of a web application, signs people in the way their
// organisation wants, and tells the application who is asking.
package main

import (
	"os"

	"foregate/authn"
	"foregate/authn/local"
	"foregate/authn/oidc"
	"foregate/cookies/sqlstore"
	"foregate/internal/command"
	"foregate/internal/config"
	"foregate/proxy/admin"
)

func main() {
	os.Exit(command.Run(os.Args[1:], command.Tables{Methods: methods, Store: embedded}, os.Stdin, os.Stdout, os.Stderr))
}

// methods are the kinds of sign-in that a configuration may name.
var methods = []config.Kind{
	{Name: "oidc", New: func() authn.MethodConfig { return new(oidc.Config) }},
	{Name: "local", New: func() authn.MethodConfig { return new(local.Config) }},
}

// embedded is the store that needs nothing else: one file in a folder.
func embedded(folder string) (admin.CountedStore, error) {
	return sqlstore.Open(folder)
}
