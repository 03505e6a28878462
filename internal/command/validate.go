package command

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"foregate/internal/config"
)

func (sh *shell) validateCommand() *cobra.Command {
	var path string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check the configuration and name every fault with its line",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			file, err := sh.load(path)
			if asJSON {
				return sh.validateJSON(file, err)
			}
			if err != nil {
				return err
			}
			for _, w := range file.Warnings {
				fmt.Fprintln(sh.out, "warning:", w.String())
			}
			fmt.Fprintf(sh.out, "%s is right: %d sign-in methods, %d apps\n", path, len(file.Methods), len(file.Apps))
			return nil
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write one JSON object for scripts")
	return cmd
}

func (sh *shell) validateJSON(file *config.File, err error) error {
	report := struct {
		Valid    bool             `json:"valid"`
		Faults   []config.FaultAt `json:"faults"`
		Warnings []config.FaultAt `json:"warnings"`
	}{Valid: err == nil, Faults: []config.FaultAt{}, Warnings: []config.FaultAt{}}
	var faults *config.Faults
	switch {
	case errors.As(err, &faults):
		report.Faults = faults.All
	case err != nil:
		return err
	default:
		report.Warnings = append(report.Warnings, file.Warnings...)
	}
	if e := json.NewEncoder(sh.out).Encode(report); e != nil {
		return e
	}
	return err
}

func (sh *shell) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Write the JSON Schema of the configuration, for editors",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			schema, err := config.Schema(sh.Methods)
			if err != nil {
				return err
			}
			_, err = sh.out.Write(schema)
			return err
		},
	}
}
