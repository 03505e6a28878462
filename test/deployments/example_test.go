package deployments

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"foregate/internal/chromium"
	"foregate/test/deployments/world"
)

var openWhat = regexp.MustCompile(`[Oo]pen (http://[\w.]+:\d+)`)

// TestEachExampleIsStartedByItsCommand, is clicked through, and ends at Ctrl-C.
func TestEachExampleIsStartedByItsCommand(t *testing.T) {
	program := filepath.Join(t.TempDir(), "example")
	if out, err := exec.Command("go", "build", "-o", program, "foregate/test/example").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	steps := map[string]func(b *chromium.Tab){
		"careplan": func(b *chromium.Tab) {
			b.SignInAtProvider("Northfield", "otto", world.Password)
			b.Says("4711")
		},
		"formulary": func(b *chromium.Tab) {
			b.Click("#link")
			b.Says("Drug monographs")
		},
		"homewatch": func(b *chromium.Tab) {
			b.Choose("Microsoft")
			b.SignInAtProvider("Northfield", "frank", world.Password)
			b.Says("no account")
		},
		"trialbase": func(b *chromium.Tab) {
			b.SignIn("root", world.Password)
			b.Says("Studies of your site")
		},
		"wardwatch": func(b *chromium.Tab) {
			b.SignIn("adam", "Secret-1!")
			b.Says("Alarms")
		},
	}
	for _, name := range world.Names {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(program, name)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			var errs strings.Builder
			cmd.Stderr = &errs
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			kill := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
			defer kill.Stop()
			address := ""
			lines := bufio.NewScanner(out)
			for lines.Scan() && !strings.Contains(lines.Text(), "Ctrl-C") {
				if m := openWhat.FindStringSubmatch(lines.Text()); m != nil && address == "" {
					address = m[1]
				}
			}
			go func() {
				for lines.Scan() {
				}
			}()
			if address == "" {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				if strings.Contains(errs.String(), "needs root") {
					t.Skip(errs.String())
				}
				t.Fatalf("it names no address: %s", errs.String())
			}
			b := chromium.Open(t, "")
			b.Open(address)
			steps[name](b)
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("it ended with %v: %s", err, errs.String())
			}
		})
	}
}
