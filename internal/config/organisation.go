package config

// Organisation is a customer whose people have ways in of their own.
type Organisation struct {
	Name string `yaml:"name" required:"true" doc:"Its name in accounts, reports and logs: lower-case letters, digits and dashes."`
	SCIM *SCIM  `yaml:"scim" doc:"Lets its identity provider keep its people and groups here, at scim/v2 below the prefix."`
}

func (c *checker) organisations() {
	names := make(map[string]int)
	for i := range c.file.Organisations {
		c.name(c.file.Organisations[i].Name, item("organisations", i), "organisations", names, i)
	}
	c.scim()
}
