package command

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"foregate/authn/saml"
)

func (sh *shell) samlCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "saml", Short: "Prepare sign-in by SAML", Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(sh.samlKeygenCommand())
	return cmd
}

func (sh *shell) samlKeygenCommand() *cobra.Command {
	var key, cert, name string
	var years int
	cmd := &cobra.Command{
		Use:   "keygen",
		Short: "Make a key and its self-signed certificate",
		Long:  "Make the key with which Foregate signs requests and opens encrypted answers, and its self-signed certificate.\nBoth files are new: what is there already is never written over.",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			if years < 1 || years > 30 {
				return usageError{fmt.Errorf("--years %d: choose 1 to 30", years)}
			}
			if err := writeSAMLKey(key, cert, name, years); err != nil {
				return err
			}
			_, err := fmt.Fprintf(sh.out, "keys:\n  - key: {file: %s}\n    certificate: %s\n", key, cert)
			return err
		},
	}
	cmd.Flags().StringVar(&key, "key", "saml.key", "`file` for the private key")
	cmd.Flags().StringVar(&cert, "certificate", "saml.crt", "`file` for the certificate")
	cmd.Flags().StringVar(&name, "name", "foregate", "`name` in the certificate, for people")
	cmd.Flags().IntVar(&years, "years", 5, "how many `years` the certificate is good")
	return cmd
}

func writeSAMLKey(keyFile, certFile, name string, years int) error {
	now := time.Now()
	key, cert, err := saml.NewKey(name, now, now.AddDate(years, 0, 0))
	if err != nil {
		return err
	}
	if err := writeNew(keyFile, key, 0o600); err != nil {
		return err
	}
	if err := writeNew(certFile, cert, 0o644); err != nil {
		return errors.Join(err, os.Remove(keyFile)) // one without the other is worth nothing
	}
	return nil
}

func writeNew(file string, content []byte, mode os.FileMode) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}
