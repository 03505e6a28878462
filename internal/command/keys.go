package command

import (
	"bufio"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"foregate/authn/local"
)

func (sh *shell) keysCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "keys", Short: "Make secrets", Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(&cobra.Command{
		Use:   "new",
		Short: "Write a new session secret",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(sh.out, newSecret())
			return err
		},
	})
	return cmd
}

// newSecret is 32 random bytes in base64url, which is 43 characters.
func newSecret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b)
}

func (sh *shell) hashPasswordCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "hash-password",
		Short: "Read a password from the terminal or standard input and write its hash",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{errors.New("a password on the command line can be seen by everybody on this machine; hash-password asks for it, or reads it from standard input")}
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			password, err := sh.readPassword()
			if err != nil {
				return err
			}
			hash, err := local.Hash(password)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(sh.out, hash)
			return err
		},
	}
}

func (sh *shell) readPassword() (string, error) {
	file, ok := sh.in.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		line, err := bufio.NewReader(io.LimitReader(sh.in, 4096)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("reading the password: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	first, err := sh.ask(file, "Password: ")
	if err != nil {
		return "", err
	}
	again, err := sh.ask(file, "Once more: ")
	if err != nil {
		return "", err
	}
	if first != again {
		return "", errors.New("the two passwords differ; nothing was hashed")
	}
	return first, nil
}

func (sh *shell) ask(file *os.File, prompt string) (string, error) {
	fmt.Fprint(sh.err, prompt)
	b, err := term.ReadPassword(int(file.Fd()))
	fmt.Fprintln(sh.err)
	if err != nil {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	return string(b), nil
}
