// A vcsim for tests: govmomi's simulator with TLS. Usage: vcsim <host:port> <user> <password>; prints its address and a datastore.
package main

import (
	"crypto/tls"
	"fmt"
	"net/url"
	"os"

	"github.com/vmware/govmomi/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator"
)

func main() {
	model := simulator.VPX()
	if err := model.Create(); err != nil {
		panic(err)
	}
	model.Service.Listen = &url.URL{Host: os.Args[1], User: url.UserPassword(os.Args[2], os.Args[3])}
	model.Service.RegisterEndpoints = true
	model.Service.TLS = new(tls.Config)
	server := model.Service.NewServer()
	fmt.Println(server.URL.Host, model.Map().Any("Datastore").Reference().Value)
	select {}
}
