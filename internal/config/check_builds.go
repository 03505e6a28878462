package config

// builder is a method that builds on another: named under key, empty for none.
type builder interface {
	Builds() (key, method string)
}

// finder is a method that others can build on.
type finder interface{ Finds() bool }

// builds checks that what a method builds on is there and can be built on.
func (c *checker) builds(path string, m *Method) {
	b, ok := m.Config.(builder)
	if !ok {
		return
	}
	key, name := b.Builds()
	if name == "" {
		return
	}
	var able []string
	for i := range c.file.Methods {
		if f, ok := c.file.Methods[i].Config.(finder); ok && f.Finds() {
			if c.file.Methods[i].Name == name {
				return
			}
			able = append(able, c.file.Methods[i].Name)
		}
	}
	c.fault(join(path, key), FaultAt{
		Problem: "is not the name of a method with a directory", Found: quoted(name), Nearest: nearest(name, able),
		Remedy: "write the name of an ldap method",
	})
}
