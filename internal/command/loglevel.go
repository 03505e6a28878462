package command

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"foregate/proxy/admin"
)

func (sh *shell) logLevelCommand() *cobra.Command {
	var path string
	var lasting time.Duration
	cmd := &cobra.Command{
		Use:   "log-level [debug|info|warn|error|usual]",
		Short: "Show the log's level, or change it for a while without a restart",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("name one level: foregate log-level debug --for 10m")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			method, body := http.MethodGet, []byte(nil)
			if len(args) == 1 {
				o, err := levelOrder(args[0], lasting)
				if err != nil {
					return err
				}
				method = http.MethodPut
				if body, err = json.Marshal(o); err != nil {
					return err
				}
			}
			answer, err := sh.operate(cmd.Context(), path, method, "/api/v1/log-level", body)
			if err != nil {
				return err
			}
			return sh.printLevel(answer)
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().DurationVar(&lasting, "for", 10*time.Minute, "how `long`, 24h at most; then the configured level holds again")
	return cmd
}

func levelOrder(level string, lasting time.Duration) (admin.LogLevelOrder, error) {
	switch {
	case level == "usual":
		return admin.LogLevelOrder{}, nil
	case lasting < time.Second:
		return admin.LogLevelOrder{}, usageError{fmt.Errorf("--for %s is too short: write --for 10m", lasting)}
	}
	return admin.LogLevelOrder{Level: level, Seconds: int(lasting / time.Second)}, nil
}

func (sh *shell) printLevel(answer []byte) error {
	var now admin.LogLevelInfo
	if err := json.Unmarshal(answer, &now); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if now.Until.IsZero() {
		_, err := fmt.Fprintln(sh.out, now.Level)
		return err
	}
	_, err := fmt.Fprintf(sh.out, "%s until %s, then %s\n", now.Level, now.Until.Local().Format(time.DateTime), now.Usual)
	return err
}
