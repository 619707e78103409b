#include "monitor/process/usage.hpp"

#include <cstdio>

#include "monitor/process/status.hpp"

namespace {

constexpr char kUsage[] =
    R"(Mayfly boots a microVM: one guest, one process.

usage: mayfly run [flags] [-- ARG...]
       mayfly --api-sock PATH | --config-file FILE [flags]

  --kernel FILE    ELF (PVH or 64-bit entry) or bzImage; without it the guest inside
                   this program runs
  --initrd FILE    initial RAM disk
  --cmdline TEXT   kernel command line (default for a --kernel:
                   console=ttyS0 reboot=k panic=-1 cryptomgr.notests)
  --memory SIZE    guest RAM, as in 128M or 4G (default 128M)
  --vcpus N        1 to 32 (default 1)
  --disk PATH[,ro][,id=ID][,cache=unsafe|writeback][,bandwidth=SIZE][,ops=N]
                   a file or block device, as /dev/vda and so on; limits are per second
  --net tap=NAME[,mac=M][,mtu=N][,id=ID][,rx-bandwidth=SIZE][,rx-ops=N][,tx-...]
                   a TAP of this host, as eth0 and so on; fd=N instead of tap= takes one
                   over that is open already
  --net auto[,range=ADDRESS/PREFIX][,mac=M][,mtu=N][,id=ID][,...]
                   a TAP of its own with NAT, gone with the VM; needs CAP_NET_ADMIN. The guest's
                   address is on its command line: mayfly.net=ADDRESS/30,GATEWAY[,NAMESERVER]
  --publish [HOSTIP:]HOSTPORT:GUESTPORT[/tcp|/udp]
                   with --net auto: a port of the host that leads to the guest's
  --image FILE     run a program in this image (EROFS, SquashFS, ext4): -- CMD ARG..., or the
                   image's own; stdin, stdout, stderr and the status are its own. With it:
                   --rw, --env K=V, --workdir DIR, --user U[:G], --hostname NAME, -t (a terminal)
  --timeout 5s     end the VM after that time, with status 124
  --stdio channel  a program in the guest has stdin and stdout, not the serial line
  --trace FILE     when each stage of the start ended, in Chrome's trace event format
  --boot-timer     log the time to the guest's boot signal (byte 123 at 0xc0000000)
  --jail[=UID:GID] run in a jail: an empty root, namespaces, no capabilities, a user of its own
                   (UID and GID; without them one that no other VM has)
  --seccomp-filter FILE
                   another system call policy than the one in this program, as text or
                   compiled by mayfly-policy
  --no-seccomp     filter no system calls
  -- ARG...        appended to the command line

The serial line is on stdin and stdout. On a terminal, Ctrl-A x ends the VM and Ctrl-A h helps.

exit status: what the guest wrote to port 0xf4 (low 8 bits); 0 after a reset or power-off;
125 the monitor failed; 126 the guest crashed; 128+n ended by signal n

Without `run`, Firecracker's flags and API:

  --api-sock PATH  where it listens (default /run/firecracker.socket); --api-fd N takes
                   over an open socket; connected, who holds the other end owns the VM
  --no-api         no API; needs a --config-file
  --config-file FILE
                   the configuration, in JSON; the VM boots at once, or with --hold when a
                   client says InstanceStart
  --id ID          the instance's name, told by GET / and in the log
  --ready-fd N     gets the line "api" when the API is up, "guest" at the boot signal
  --log-path FILE --level LEVEL --show-level --show-log-origin --module PATH
  --metrics-path FILE
  --http-api-max-payload-size BYTES    51200 by default
  --boot-timer --jail --trace --seccomp-filter --no-seccomp as above

exit status there: the guest's, or 0; 1 the monitor failed or the guest crashed; 148 a
forbidden system call; 152 the configuration is wrong, 153 the flags; 128+n ended by signal n

other commands: mayfly --help, mayfly --version
)";

int print(const char* text) {
    return std::fputs(text, stdout) >= 0 && std::fflush(stdout) == 0 ? 0
                                                                     : kRunStatuses.monitor_failed;
}

}  // namespace

int print_usage() {
    return print(kUsage);
}

int print_version() {
    return print("mayfly " MAYFLY_VERSION "\n");
}
