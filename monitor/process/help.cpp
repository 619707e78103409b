#include "monitor/process/help.hpp"

#include <array>
#include <cstdio>

#include "base/flag_help.hpp"
#include "base/log.hpp"
#include "monitor/process/status.hpp"

namespace {

// A heading of a subject, and below it the flags of one group.
struct Section {
    uint8_t group;
    const char* heading;
};

struct Page {
    std::string_view name;
    const char* text;
    uint8_t door = 0;  // whose flags follow the text; 0: nobody's
    std::array<Section, 4> sections{};
};

constexpr char kOverview[] =
    R"(Mayfly boots a microVM: one guest, one process.

usage: mayfly run [flags] [-- ARG...]   one guest in the foreground
       mayfly [api] [flags]             Firecracker's flags and its API
       mayfly doctor [flags]            what this host lacks
       mayfly help [SUBJECT]            or --help, -h, also behind a command
       mayfly version                   or --version, -V, the same

  mayfly run
  mayfly run --kernel vmlinux --initrd initrd.img --memory 256M --vcpus 2
  mayfly run --image app.img --jail -- python3 handler.py <event.json
  mayfly --api-sock /tmp/vm.socket

subjects: run, api   the flags of the two
          image      a program in an image
          disk, net  drives and NICs
          doctor     what this host lacks
          status     exit statuses
)";

constexpr char kRun[] =
    R"(usage: mayfly run [flags] [-- ARG...]

Boots a guest in the foreground, its serial line on stdin and stdout. On a
terminal Ctrl-A x ends the VM and Ctrl-A h helps. What follows -- is appended to
the kernel command line, or is the program to run in an --image.
)";

constexpr char kApi[] =
    R"(usage: mayfly [api] [flags]

Firecracker's flags and its API: a client, or a file, configures one VM and
starts it. `mayfly api` alone listens at the default socket.
)";

constexpr char kImage[] =
    R"(usage: mayfly run --image FILE [flags] [-- CMD ARG...]

Runs CMD, or the image's own command, in an image that mayfly-image made: EROFS,
SquashFS or ext4. stdin, stdout, stderr and the exit status are the program's;
signals reach it, and with -t the terminal does. Without --rw it writes to
memory over the image, which several guests may share.

  mayfly-debian-image app.img python3       or  mayfly-image oci:DIR app.img
  mayfly run --image app.img --env NAME=VALUE --timeout 5s

The guest kernel and init are lib/mayfly/vmlinux and lib/mayfly/init beside this
program's bin. --kernel FILE takes another; if its drivers are modules, --initrd
has them in /modules, numbered in load order. The network of --net auto is set
up in the guest.
)";

constexpr char kDisk[] =
    R"(--disk PATH[,ro][,id=ID][,cache=unsafe|writeback][,bandwidth=SIZE][,ops=N]

A file or block device, as /dev/vda and so on in the order given. It is locked
while the VM has it. The guest sees whole sectors of 512 bytes. Write a comma in
PATH twice.

  ro              the guest may not write
  id=ID           what the guest reads as its serial number, the first 20 bytes
  cache=unsafe    offers the guest no flushes: for scratch disks
  bandwidth=SIZE  at most so many bytes a second, as in 10M
  ops=N           at most so many requests a second
)";

constexpr char kNet[] =
    R"(--net auto[,...]      a TAP of its own with NAT
--net tap=NAME[,...]  a TAP of this host
--net fd=N[,...]      one that is open already

As eth0 and so on in the order given. That of auto is gone with the VM; it needs
CAP_NET_ADMIN, Linux 5.12 and IP forwarding. Its /30 is of 172.16.0.0/16, or of
the range; the guest finds it on its command line:
mayfly.net=ADDRESS/30,GATEWAY[,NAMESERVER].

  range=ADDRESS/PREFIX          auto: where its network is cut from
  deny=NETWORK, allow=NETWORK   auto: what the guest does not reach, and does
                                nevertheless; each may be repeated
  connections=N, peers=N        auto: at most so many at once, in 5 s
  guard=ADDRESS                 tap: what the guest may call itself there
  mac=M, mtu=N, id=ID           its address; told to the guest; its name
  rx-bandwidth=SIZE, rx-ops=N   to the guest, at most so much a second
  tx-bandwidth=SIZE, tx-ops=N   from the guest

--publish [HOSTIP:]HOSTPORT:GUESTPORT[/tcp|/udp]
                                with auto: a port of the host to the guest's
)";

constexpr char kDoctor[] =
    R"(usage: mayfly doctor [flags]

Looks whether this host has what VMs and each feature need, and whether it is as
a host of several tenants should be. A line for each check:

  ok      as it should be
  warn    VMs start, but a feature is not there or the host is not safe enough
  fail    no VM starts
  skip    this user cannot look, or there is nothing to look at

and behind ; what to do. It changes nothing, and asks as the user that starts
it: be the one who starts VMs. docs/production-host.md explains each check.

exit status: 0 if VMs can run, 1 if not, 125 if it could not say.
)";

constexpr char kStatus[] =
    R"(exit status: the guest's, the low 8 bits of what it wrote to port 0xf4; 0 after
a reset, a power-off or Ctrl-A x. Others:

                                       run      api
  the monitor failed                   125      1
  the guest crashed                    126      1
  --timeout                            124
  a forbidden system call              148      148
  configuration, flags are wrong       125      152, 153
  ended by signal n                    128+n    128+n

With --image it is the program's: 128 and the number of a signal that ended it,
126 where it cannot be executed, 127 where it is not there; 126 also if the
guest ended without one. With --api-fd, 129 if the only client has hung up.
)";

constexpr std::array<Page, 8> kPages = {{
    {"", kOverview},
    {"run",
     kRun,
     kRunDoor,
     {{{kGuestFlags, "the guest"},
       {kImageFlags, "a program in an image (mayfly help image)"},
       {kProcessFlags, "the process (mayfly help status)"}}}},
    {"api",
     kApi,
     kServeDoor,
     {{{kApiFlags, "the API"},
       {kInstanceFlags, "the instance"},
       {kLogFlags, "log and metrics"},
       {kProcessFlags, "the process (mayfly help status)"}}}},
    {"image", kImage},
    {"disk", kDisk},
    {"net", kNet},
    {"doctor",
     kDoctor,
     kDoctorDoor,
     {{{kDoctorFlags, "what it prints"}, {kProcessFlags, "other"}}}},
    {"status", kStatus},
}};

int print(const char* text) {
    return std::fputs(text, stdout) >= 0 && std::fflush(stdout) == 0 ? 0
                                                                     : kRunStatuses.monitor_failed;
}

}  // namespace

std::vector<std::string_view> help_subjects() {
    std::vector<std::string_view> names;
    names.reserve(kPages.size());
    for (const Page& subject : kPages) names.push_back(subject.name);
    return names;
}

std::string help_page(std::string_view name) {
    for (const Page& subject : kPages) {
        if (subject.name != name) continue;
        std::string page = subject.text;
        for (const Section& section : subject.sections) {
            if (section.heading == nullptr) break;
            page.append("\n").append(section.heading).append(":\n");
            append_flags(page, all_flags(), subject.door, section.group);
        }
        return page;
    }
    return {};
}

int print_help(const char* subject) {
    const std::string page = help_page(subject);
    if (!page.empty()) return print(page.c_str());
    log_error(Error{"unknown subject", 0, "see mayfly help"}.about(subject));
    return kRunStatuses.bad_arguments;
}

int answer(Asked asked, const char* subject, CalledAs called) {
    if (asked == Asked::kHelp) return print_help(subject);
    if (called == CalledAs::kItself) return print("mayfly " MAYFLY_VERSION "\n");
    const std::string peer = kPeerVersion;
    return print(("Firecracker v" + peer + "\nmayfly " MAYFLY_VERSION "\n").c_str());
}
