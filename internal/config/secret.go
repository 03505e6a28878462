package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"

	"foregate/authn"

	"go.yaml.in/yaml/v4"
)

// reader resolves what the file refers to.
type reader struct {
	dir   string // relative paths start here
	blind bool   // take a reference for good without looking: for examples
}

func (rd reader) abs(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(rd.dir, name)
}

// path makes the name of a file absolute; an empty one stays empty and means none.
func (d *decoder) path(text string, v reflect.Value) {
	if text != "" {
		name := d.secrets.abs(text)
		d.named = append(d.named, name)
		v.SetString(name)
	}
}

const secretForms = "a text, {file: path} or {env: NAME}"

// secret decodes a text, {file: path} or {env: NAME}. No fault shows what was
// found: even a misplaced key may be the secret itself.
func (d *decoder) secret(n *yaml.Node, path string, v reflect.Value) {
	var value string
	var ok bool
	switch {
	case n.Kind == yaml.ScalarNode:
		value, ok = n.Value, true
		if isNull(n) {
			value = ""
		}
		if value == "" {
			d.fault(path, FaultAt{Problem: "the secret is empty", Allowed: secretForms, Remedy: "put it into quotes if it begins with & # ~ or is the word null"})
			return
		}
	case n.Kind == yaml.MappingNode && len(n.Content) == 2:
		value, ok = d.reference(n.Content[0], n.Content[1], path)
	default:
		d.fault(path, FaultAt{Problem: "is not a secret", Found: kindOf(n), Allowed: secretForms, Remedy: "write one of these forms"})
	}
	if ok {
		v.Set(reflect.ValueOf(authn.NewSecret(value)))
	}
}

func (d *decoder) reference(key, target *yaml.Node, path string) (string, bool) {
	target, ok := d.visit(target, path)
	if !ok {
		return "", false
	}
	if target.Kind != yaml.ScalarNode || target.Value == "" || key.Value != "file" && key.Value != "env" {
		d.fault(path, FaultAt{Problem: "is not a secret", Found: "a map", Allowed: secretForms, Remedy: "write one of these forms"})
		return "", false
	}
	if d.secrets.blind {
		return strings.Repeat("x", minSecret), true
	}
	if key.Value == "env" {
		return d.fromEnv(target.Value, path)
	}
	name := d.secrets.abs(target.Value)
	d.named = append(d.named, name)
	return d.fromFile(name, path)
}

func (d *decoder) fromEnv(name, path string) (string, bool) {
	value := os.Getenv(name)
	if value == "" {
		fault := FaultAt{Problem: "the environment variable is not set or empty", Remedy: "set it for the process that runs Foregate"}
		if envName.MatchString(name) { // else it may be the secret itself
			fault.Found = "{env: " + name + "}"
		}
		d.fault(path, fault)
		return "", false
	}
	return value, true
}

var envName = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)

// fromFile reads a secret and trims exactly one newline, which editors and echo
// leave at the end; anything more belongs to the secret.
//
// Others who can write the file could choose the secret, which is a fault. That
// they can read it is only warned of: Docker and Kubernetes mount secrets so.
func (d *decoder) fromFile(name, path string) (string, bool) {
	fault := FaultAt{Found: "{file: " + shown(name) + "}", Remedy: "name a file that holds nothing but the secret"}
	data, mode, err := readSmall(name, maxSecret)
	value, cut := strings.CutSuffix(string(data), "\n")
	if cut {
		value = strings.TrimSuffix(value, "\r")
	}
	switch {
	case err != nil:
		fault.Problem = "the file of the secret cannot be read: " + cause(err)
		fault.Remedy = "look at its name and at who may read it"
	case value == "":
		fault.Problem = "the file of the secret is empty"
		fault.Remedy = "write the secret into it"
	case mode.Perm()&0o022 != 0:
		fault.Problem = "others may write the file of the secret"
		fault.Remedy = "chmod 600 it"
	default:
		if mode.Perm()&0o044 != 0 {
			d.warn(path, "others may read the file of the secret", "chmod 600 it, unless a container mounts it so")
		}
		return value, true
	}
	d.fault(path, fault)
	return "", false
}

// readSmall reads a regular file of at most limit bytes.
func readSmall(name string, limit int64) ([]byte, fs.FileMode, error) {
	info, err := os.Stat(name) // first, because opening a pipe would wait for its writer
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, errors.New("is not a regular file")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("is larger than %d KiB", limit>>10)
	}
	return data, info.Mode(), err
}

const (
	minSecret = 32       // bytes of a session secret
	maxSecret = 64 << 10 // bytes of any
)

// cause is an error of the file system without the path, which is shown already.
func cause(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}
