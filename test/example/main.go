// Command example starts one of the deployments of examples/ on this machine, with real
// servers around it, until Ctrl-C: go run ./test/example careplan.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"foregate/internal/ldaptest"
	"foregate/internal/mailtest"
	"foregate/test/deployments/world"
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) (status int) {
	if len(args) != 1 {
		fmt.Fprintln(os.Stderr, "usage: make example-NAME, where NAME is", strings.Join(world.Names, ", "))
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer ldaptest.End()
	h := newHouse(ctx)
	defer h.end()
	defer func() {
		if gone, ok := recover().(stopped); ok {
			status = 1
			fmt.Fprintln(os.Stderr, gone.why)
		}
	}()
	fmt.Println("Starting", args[0], "and the servers around it …")
	binary, err := world.Build(h.TempDir())
	if err != nil {
		h.Fatal(err)
	}
	w := world.Start(h, args[0], world.Options{Binary: binary})
	w.People()
	fmt.Println()
	for _, note := range w.Notes {
		fmt.Println("-", note)
	}
	fmt.Println("- The operator's console:", w.Admin+"/")
	fmt.Println("- The configuration:", w.Path())
	fmt.Println("\nEnd with Ctrl-C.")
	if w.Mail != nil {
		go show(ctx, w.Mail)
	}
	<-ctx.Done()
	fmt.Println()
	return 0
}

// show prints what is mailed.
func show(ctx context.Context, mail *mailtest.Server) {
	for {
		select {
		case l := <-mail.Letters:
			fmt.Printf("%s  a letter to %s; the code in it: %s\n", time.Now().Format(time.TimeOnly), l.To, world.CodeIn(l))
		case <-ctx.Done():
			return
		}
	}
}
