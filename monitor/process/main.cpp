// mayfly: a minimal microVM monitor.
#include <fcntl.h>
#include <unistd.h>

#include <string_view>

#include "base/called_as.hpp"
#include "base/log.hpp"
#include "monitor/process/doctor_door.hpp"
#include "monitor/process/help.hpp"
#include "monitor/process/run_door.hpp"
#include "monitor/process/serve_door.hpp"
#include "monitor/process/status.hpp"
#include "monitor/sandbox/sandbox.hpp"

namespace {

// A standard stream that the caller has closed would become whatever is opened next, and be read
// from or written to.
void fill_standard_streams() {
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (::fcntl(fd, F_GETFD) < 0) static_cast<void>(::open("/dev/null", O_RDWR));
}

}  // namespace

int main(int argc, char** argv) {
    Timeline timeline;
    fill_standard_streams();
    settle_heap();
    const std::span<const char* const> arguments(argv + 1, argc > 0 ? argv + argc : argv + 1);
    if (argc > 0 && called_as(argv[0], "firecracker") == CalledAs::kPeer)
        return serve_door(arguments, timeline, CalledAs::kPeer);
    if (arguments.empty()) {
        log_line("say what to do: mayfly run, mayfly --help or mayfly --version");
        return kRunStatuses.bad_arguments;
    }
    const std::string_view command = arguments.front();
    const auto rest = arguments.subspan(1);
    if (command == "run") return run_door(rest, timeline);
    if (command == "api") return serve_door(rest, timeline);
    if (command == "doctor") return doctor_door(rest);
    const Asked asked = asked_by_word(arguments);
    const bool has_subject = !rest.empty() && *rest.front() != '-';
    if (asked != Asked::kNothing) return answer(asked, has_subject ? rest.front() : "");
    if (command.starts_with('-')) return serve_door(arguments, timeline);
    log_error(Error{"unknown command", 0, "see mayfly --help"}.about(arguments.front()));
    return kRunStatuses.bad_arguments;
}
