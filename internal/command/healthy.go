package command

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// healthyCommand is for container images without a shell.
func (sh *shell) healthyCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "healthy",
		Short: "Ask the running Foregate on this machine whether it is ready",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, err := sh.load(path)
			if err != nil {
				return err
			}
			if file.Listen.Admin == "" || file.Listen.Admin == "off" {
				return usageError{fmt.Errorf("listen.admin is off in %s, so nothing can be asked", path)}
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), 2*time.Second)
			defer cancel()
			client, scheme, err := adminClient(file.Admin.TLS)
			if err != nil {
				return err
			}
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+file.Listen.Admin+"/readyz", nil)
			if err != nil {
				return err
			}
			resp, err := client.Do(req)
			if err != nil {
				return fmt.Errorf("not answering: %w", err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("not ready: the answer was %s", resp.Status)
			}
			_, err = fmt.Fprintln(sh.out, "ready")
			return err
		},
	}
	configFlag(cmd, &path)
	return cmd
}
