package kerberos

import (
	"os"
	"testing"

	"foregate/internal/ldaptest"
)

func TestMain(m *testing.M) { os.Exit(ldaptest.Main(m)) }
