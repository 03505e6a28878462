package command

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"time"

	"github.com/spf13/cobra"
)

const samlKeyBits = 3072 // good beyond 2030 (NIST SP 800-57 part 1, table 2)

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
			if err := makeSAMLKey(key, cert, name, time.Now(), years); err != nil {
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

func makeSAMLKey(keyFile, certFile, name string, now time.Time, years int) error {
	key, err := rsa.GenerateKey(rand.Reader, samlKeyBits)
	if err != nil {
		return fmt.Errorf("making a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("writing the key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return fmt.Errorf("numbering the certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(years, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("making the certificate: %w", err)
	}
	if err := writeNew(keyFile, "PRIVATE KEY", der, 0o600); err != nil {
		return err
	}
	if err := writeNew(certFile, "CERTIFICATE", cert, 0o644); err != nil {
		return errors.Join(err, os.Remove(keyFile)) // one without the other is worth nothing
	}
	return nil
}

func writeNew(file, kind string, der []byte, mode os.FileMode) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	return errors.Join(pem.Encode(f, &pem.Block{Type: kind, Bytes: der}), f.Close())
}
