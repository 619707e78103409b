// A VM by Firecracker's Go SDK, as a program that embeds it would have it: started, asked, changed, paused and ended.
// usage: client FIRECRACKER SOCKET KERNEL DISK OTHER_DISK [TAP]
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	firecracker "github.com/firecracker-microvm/firecracker-go-sdk"
	"github.com/firecracker-microvm/firecracker-go-sdk/client/models"
)

func check(what string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
	fmt.Println(what)
}

func main() {
	binary, socket, kernel, disk, other := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	drives := firecracker.NewDrivesBuilder(disk).
		AddDrive(other, true, firecracker.WithDriveID("other")).Build()
	config := firecracker.Config{
		SocketPath:      socket,
		KernelImagePath: kernel,
		KernelArgs:      "silent boot-signal loop",
		Drives:          drives,
		LogPath:         socket + ".log",
		LogLevel:        "Debug",
		MetricsPath:     socket + ".metrics",
		MachineCfg: models.MachineConfiguration{
			VcpuCount:  firecracker.Int64(1),
			MemSizeMib: firecracker.Int64(64),
		},
	}
	if len(os.Args) > 6 {
		limit := firecracker.NewRateLimiter(
			firecracker.TokenBucketBuilder{}.WithBucketSize(1<<20).WithRefillDuration(time.Second).Build(),
			firecracker.TokenBucketBuilder{}.WithBucketSize(1000).WithRefillDuration(time.Second).Build())
		config.NetworkInterfaces = []firecracker.NetworkInterface{{
			StaticConfiguration: &firecracker.StaticNetworkConfiguration{HostDevName: os.Args[6], MacAddress: "02:00:5e:00:53:01"},
			InRateLimiter:       limit,
			OutRateLimiter:      limit,
		}}
	}
	command := firecracker.VMCommandBuilder{}.WithBin(binary).WithSocketPath(socket).Build(ctx)
	vm, err := firecracker.NewMachine(ctx, config, firecracker.WithProcessRunner(command))
	check("new", err)
	check("start", vm.Start(ctx))
	_, err = vm.PID()
	check("pid", err)
	version, err := vm.GetFirecrackerVersion(ctx)
	check("version", err)
	if version != "1.15.0" {
		check("version", fmt.Errorf("is %q", version))
	}
	about, err := vm.DescribeInstanceInfo(ctx)
	check("instance", err)
	if *about.State != "Running" {
		check("instance", fmt.Errorf("is %q", *about.State))
	}
	check("pause", vm.PauseVM(ctx))
	check("resume", vm.ResumeVM(ctx))
	check("another drive", vm.UpdateGuestDrive(ctx, "other", disk+".new"))
	if len(config.NetworkInterfaces) > 0 {
		check("other limits", vm.UpdateGuestNetworkInterfaceRateLimit(ctx, "1", firecracker.RateLimiterSet{
			InRateLimiter: config.NetworkInterfaces[0].InRateLimiter}))
	}
	check("keys", vm.Shutdown(ctx))
	check("end", vm.StopVMM())
	vm.Wait(ctx)
}
