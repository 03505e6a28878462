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
	var asJSON, online bool
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check the configuration and name every fault with its line",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, err := sh.load(path)
			var all []looked
			if online && err == nil {
				all = lookAll(cmd.Context(), looksOf(file), lookTime)
			}
			if asJSON {
				return sh.validateJSON(file, all, err)
			}
			if err != nil {
				return err
			}
			for _, w := range file.Warnings {
				fmt.Fprintln(sh.out, "warning:", w.String())
			}
			fmt.Fprintf(sh.out, "%s is right: %d sign-in methods, %d apps\n", path, len(file.Methods), len(file.Apps))
			if err := writeLooks(sh.out, all); err != nil {
				return err
			}
			return failedLooks(all)
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write one JSON object for scripts")
	cmd.Flags().BoolVar(&online, "online", false, "also look at every provider, directory, mail server, store, application and certificate, five seconds each at most")
	return cmd
}

// failedLooks is an error if something cannot be used, for the exit status.
func failedLooks(all []looked) error {
	if n := countFailed(all); n > 0 {
		return fmt.Errorf("%d of %d looks failed; what to do is below each", n, len(all))
	}
	return nil
}

func (sh *shell) validateJSON(file *config.File, all []looked, err error) error {
	report := struct {
		Valid    bool             `json:"valid"`
		Faults   []config.FaultAt `json:"faults"`
		Warnings []config.FaultAt `json:"warnings"`
		Checks   []looked         `json:"checks,omitempty"` // with --online
	}{Valid: err == nil, Checks: all, Faults: []config.FaultAt{}, Warnings: []config.FaultAt{}}
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
	if err != nil {
		return err
	}
	return failedLooks(all)
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
