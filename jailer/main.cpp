// mayfly-jailer: one process, one root, one user for each VM.
#include <cstdio>
#include <span>
#include <string>

#include "base/called_as.hpp"
#include "base/log.hpp"
#include "jailer/jail_options.hpp"
#include "jailer/launch.hpp"

namespace {

constexpr char kUsage[] =
    R"(mayfly-jailer runs a monitor in a jail: a root, namespaces, a user and cgroups of its own.

usage: mayfly-jailer --id ID --exec-file FILE --uid UID --gid GID [flags] [-- ARG...]

  --id ID                  1 to 64 letters, digits and -
  --exec-file FILE         the monitor: a static executable with one name
  --uid UID, --gid GID     whom it runs as
  --chroot-base-dir DIR    the jail's root is DIR/NAME OF FILE/ID/root (default /srv/jailer);
                           what lies there already stays; nobody else may write to DIR
  --netns FILE             the network namespace to join; without it an empty one
  --keep-network           stay in the caller's network namespace
  --new-pid-ns             a process namespace too
  --daemonize              in the background, without the caller's terminal; as with --new-pid-ns
                           the monitor's process id is written to NAME OF FILE.pid in the root
  --cgroup FILE=VALUE      as in pids.max=20; repeatable
  --cgroup-version 1|2     without it the one that has the controllers
  --parent-cgroup PATH     where the jail's cgroup is made (default: the name of FILE)
  --resource-limit NAME=N  fsize (bytes) or no-file (default 2048); repeatable
  --bind SOURCE:PATH[:ro]  a file or folder of the host that the jail sees as PATH; repeatable
  --keep-fd N              a descriptor that stays open in the monitor; repeatable
  --cleanup                remove the jail's folder and cgroups when the monitor has ended
  -h, --help               this page; also as the word help
  -V, --version            the version; also as the word version
  -- ARG...                the monitor's arguments; unless they begin with a subcommand, --id and
                           --start-time-us, --start-time-cpu-us come first

exit status: the monitor's, as it takes the jailer's place; 0 after --daemonize or --new-pid-ns;
1 when the jail could not be made
)";

int print(const char* text) {
    return std::fputs(text, stdout) >= 0 && std::fflush(stdout) == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    set_log_name("mayfly-jailer");
    const CalledAs called = argc > 0 ? called_as(argv[0], "jailer") : CalledAs::kItself;
    const auto options = JailOptions::parse({argv + 1, argc > 0 ? argv + argc : argv + 1}, called);
    if (!options.ok()) {
        log_error(options.error());
        return 1;
    }
    if (options.value().asked == Asked::kHelp) return print(kUsage);
    if (options.value().asked == Asked::kVersion) {
        std::string version = "mayfly-jailer " MAYFLY_VERSION "\n";
        if (called == CalledAs::kPeer)
            version = "Jailer v" + std::string(kPeerVersion) + "\n" + version;
        return print(version.c_str());
    }
    log_error(launch(options.value()));
    return 1;
}
